//! The system calls that have no safe wrapper, each with the reason why its use here is sound.
#![allow(unsafe_code)]
// The C library's constants are wider than the fields they belong in.
#![allow(clippy::cast_possible_truncation)]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal};
use nix::unistd::ForkResult;

/// Forks. Only the child of this crate calls it.
pub(crate) fn fork() -> Result<ForkResult, Errno> {
    // SAFETY: the caller is single threaded (it was executed anew and starts no thread), so no lock can
    // be held by a thread that the copy lacks, and any code may run in the copy.
    unsafe { nix::unistd::fork() }
}

/// Ends the process without running what the parent registered for its own exit.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: never returns and touches no memory.
    unsafe { libc::_exit(code) }
}

/// Gives every signal its default action and unblocks all, as a program expects to be started.
pub(crate) fn reset_signals() {
    let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
    for signal in Signal::iterator().filter(|s| !matches!(s, Signal::SIGKILL | Signal::SIGSTOP)) {
        // SAFETY: installs no handler, so no code can run in signal context. Cannot fail for these signals.
        let _ = unsafe { nix::sys::signal::sigaction(signal, &default) };
    }
    let _ = SigSet::empty().thread_set_mask();
}

/// Makes a mount and all mounts below it read-only and deaf to set-user-id bits (Linux 5.12).
pub(crate) fn set_read_only(tree: BorrowedFd<'_>) -> Result<(), Errno> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NOSUID,
        attr_clr: 0,
        propagation: 0,
        userns_fd: 0,
    };
    let flags = libc::AT_EMPTY_PATH | libc::AT_RECURSIVE;
    // SAFETY: the path is a terminated string and the structure has the size that is passed; both outlive the call.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Errno::result(result).map(drop)
}

/// Marks every descriptor from 3 on to be closed by `exec`.
pub(crate) fn close_others_on_exec() -> Result<(), Errno> {
    // SAFETY: changes flags only, no descriptor is closed under its owner.
    let result = unsafe {
        libc::syscall(
            libc::SYS_close_range,
            3u32,
            u32::MAX,
            libc::CLOSE_RANGE_CLOEXEC,
        )
    };
    Errno::result(result).map(drop)
}

/// A packet socket that captures nothing before it is bound.
fn unbound() -> Result<OwnedFd, Errno> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    socket(AddressFamily::Packet, SockType::Raw, flags, None)
}

/// Captures all protocols of one interface from now on.
fn bind(socket: &OwnedFd, interface: u32) -> Result<(), Errno> {
    // SAFETY: the structure is plain numbers, all zero is a valid value.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::AF_PACKET as u16;
    address.sll_protocol = (libc::ETH_P_ALL as u16).to_be();
    address.sll_ifindex = interface.cast_signed();
    // SAFETY: the address has the type of its family and the size that is passed.
    let result = unsafe {
        libc::bind(
            socket.as_fd().as_raw_fd(),
            (&raw const address).cast(),
            size_of::<libc::sockaddr_ll>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// A packet socket of one interface.
pub(crate) fn packet_socket(interface: u32) -> Result<OwnedFd, Errno> {
    let socket = unbound()?;
    bind(&socket, interface)?;
    Ok(socket)
}

/// A packet socket of one interface whose packets the kernel writes into memory that it shares: blocks that
/// belong to either side in turn (`TPACKET_V3`).
pub(crate) fn packet_ring(
    interface: u32,
    block: u32,
    blocks: u32,
    retire_ms: u32,
) -> Result<(OwnedFd, Ring), Errno> {
    let socket = unbound()?;
    let version = libc::tpacket_versions::TPACKET_V3 as libc::c_int;
    packet_option(&socket, libc::PACKET_VERSION, &version)?;
    let frame = 2048;
    let request = libc::tpacket_req3 {
        tp_block_size: block,
        tp_block_nr: blocks,
        tp_frame_size: frame,
        tp_frame_nr: block / frame * blocks,
        tp_retire_blk_tov: retire_ms,
        tp_sizeof_priv: 0,
        tp_feature_req_word: 0,
    };
    packet_option(&socket, libc::PACKET_RX_RING, &request)?;
    let ring = Ring::map(&socket, block as usize, blocks as usize)?;
    bind(&socket, interface)?;
    Ok((socket, ring))
}

fn packet_option<T: Copy>(socket: &OwnedFd, name: libc::c_int, value: &T) -> Result<(), Errno> {
    // SAFETY: the value is plain numbers of the type that the option has, with its size; it outlives the call.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            name,
            (&raw const *value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    Errno::result(result).map(drop)
}

/// The memory of [`packet_ring`].
#[derive(Debug)]
pub(crate) struct Ring {
    memory: std::ptr::NonNull<u8>,
    block: usize,
    blocks: usize,
}

// SAFETY: the memory is this value's alone on this side, and any thread may use it.
unsafe impl Send for Ring {}

impl Ring {
    fn map(socket: &OwnedFd, block: usize, blocks: usize) -> Result<Self, Errno> {
        // SAFETY: a new mapping, placed by the kernel; the ring was made with this size.
        let memory = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                block * blocks,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        if memory == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        let memory = std::ptr::NonNull::new(memory.cast()).ok_or(Errno::ENOMEM)?;
        Ok(Self {
            memory,
            block,
            blocks,
        })
    }

    pub(crate) fn blocks(&self) -> usize {
        self.blocks
    }

    /// A block's bytes, if it belongs to this side.
    pub(crate) fn block(&self, index: usize) -> Option<&[u8]> {
        let owned = self.status(index).load(Ordering::Acquire) & libc::TP_STATUS_USER != 0;
        // SAFETY: the kernel writes to no block that is this side's, and it stays so until `release`, which
        // takes the ring for itself.
        owned.then(|| unsafe { std::slice::from_raw_parts(self.start(index), self.block) })
    }

    /// Gives a block back.
    pub(crate) fn release(&mut self, index: usize) {
        self.status(index)
            .store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    fn start(&self, index: usize) -> *mut u8 {
        // SAFETY: the modulus keeps the offset inside the mapping.
        unsafe { self.memory.as_ptr().add(index % self.blocks * self.block) }
    }

    /// Whose a block is.
    fn status(&self, index: usize) -> &AtomicU32 {
        let offset = std::mem::offset_of!(libc::tpacket_block_desc, hdr);
        // SAFETY: blocks begin at pages, so that it is aligned; both sides access it as a whole only.
        unsafe { AtomicU32::from_ptr(self.start(index).add(offset).cast()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping is this value's own, and no slice of it outlives the value.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), self.block * self.blocks) };
    }
}

/// Packets that a packet socket has seen and those that it had no room for, since this was asked last.
pub(crate) fn packet_statistics(socket: BorrowedFd<'_>) -> Result<(u32, u32), Errno> {
    let mut counts = libc::tpacket_stats {
        tp_packets: 0,
        tp_drops: 0,
    };
    let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, which is the structure's size; both outlive the call.
    let result = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_STATISTICS,
            (&raw mut counts).cast(),
            &raw mut length,
        )
    };
    Errno::result(result).map(|_| (counts.tp_packets, counts.tp_drops))
}

/// Registers a non-blocking descriptor with the caller's tokio runtime.
pub(crate) fn asynchronous(fd: OwnedFd) -> std::io::Result<tokio::io::unix::AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is open until it is dropped, and nothing replaces it inside.
    unsafe { tokio::io::unix::AsyncFd::register(fd) }.map_err(Into::into)
}
