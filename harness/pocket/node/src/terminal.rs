//! Pseudo terminals for `exec -it`.

use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::spec::Stdio;

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Lines.
    pub rows: u16,
    /// Characters a line.
    pub columns: u16,
}

/// The parent's end of a pseudo terminal. It reads as ended when the last program has closed the other end.
#[derive(Debug)]
pub struct Terminal {
    master: AsyncFd<OwnedFd>,
}

/// Changes the size of a terminal that is being read and written elsewhere.
#[derive(Debug)]
pub struct Resizer(OwnedFd);

impl Terminal {
    /// A terminal, and the streams for [`crate::Node::exec`] with `tty` set. Needs a tokio runtime with I/O.
    pub fn open(size: Size) -> io::Result<(Self, Stdio)> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let program = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
        set_size(&master, size)?;
        rustix::io::ioctl_fionbio(&master, true)?;
        let (stdout, stderr) = (program.try_clone()?, program.try_clone()?);
        let stdio = Stdio {
            stdin: Some(program),
            stdout: Some(stdout),
            stderr: Some(stderr),
        };
        Ok((
            Self {
                master: crate::sys::asynchronous(master)?,
            },
            stdio,
        ))
    }

    /// A handle that changes the size.
    pub fn resizer(&self) -> io::Result<Resizer> {
        Ok(Resizer(self.master.get_ref().try_clone()?))
    }
}

impl Resizer {
    /// Programs in the foreground get `SIGWINCH`.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        set_size(&self.0, size)
    }
}

fn set_size(terminal: &OwnedFd, size: Size) -> io::Result<()> {
    let size = Winsize {
        ws_row: size.rows,
        ws_col: size.columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    Ok(tcsetwinsize(terminal, size)?)
}

impl AsyncRead for Terminal {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.master.poll_read_ready(cx))?;
            let room = buf.initialize_unfilled();
            match guard.try_io(|fd| Ok(rustix::io::read(fd.get_ref(), &mut *room)?)) {
                Ok(Ok(length)) => {
                    buf.advance(length);
                    return Poll::Ready(Ok(()));
                }
                // Linux answers EIO once nobody has the other end open.
                Ok(Err(e)) if e.raw_os_error() == Some(libc::EIO) => return Poll::Ready(Ok(())),
                Ok(Err(e)) => return Poll::Ready(Err(e)),
                Err(_would_block) => {}
            }
        }
    }
}

impl AsyncWrite for Terminal {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        data: &[u8],
    ) -> Poll<io::Result<usize>> {
        loop {
            let mut guard = ready!(self.master.poll_write_ready(cx))?;
            if let Ok(result) = guard.try_io(|fd| Ok(rustix::io::write(fd.get_ref(), data)?)) {
                return Poll::Ready(result);
            }
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
