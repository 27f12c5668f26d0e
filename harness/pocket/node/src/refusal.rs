//! Why namespaces are refused, and how they are allowed.

/// What a person can do after `step` was answered with `errno`.
pub(crate) fn hint(step: &str, errno: i32) -> String {
    let settings = settings(|name| std::fs::read_to_string(format!("/proc/sys/{name}")).ok());
    advise(step, errno, &settings)
}

/// The settings that are known to refuse, as this machine has them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settings {
    unprivileged_clone_off: bool,
    no_user_namespaces: bool,
    apparmor_restricts: bool,
}

fn settings(read: impl Fn(&str) -> Option<String>) -> Settings {
    let is = |name: &str, value: &str| read(name).is_some_and(|text| text.trim() == value);
    Settings {
        unprivileged_clone_off: is("kernel/unprivileged_userns_clone", "0"),
        no_user_namespaces: is("user/max_user_namespaces", "0"),
        apparmor_restricts: is("kernel/apparmor_restrict_unprivileged_userns", "1"),
    }
}

fn advise(step: &str, errno: i32, settings: &Settings) -> String {
    let advice = if settings.no_user_namespaces {
        "user namespaces are switched off: `sudo sysctl -w user.max_user_namespaces=15000` allows them"
    } else if settings.unprivileged_clone_off {
        "user namespaces are for root only here: `sudo sysctl -w kernel.unprivileged_userns_clone=1` allows them"
    } else if settings.apparmor_restricts {
        "AppArmor restricts user namespaces: `sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` allows them"
    } else if errno == libc::ENOSPC || errno == libc::EUSERS {
        "a limit of the user's namespaces is reached: see `sysctl user` and /proc/sys/user/max_*_namespaces"
    } else if step.contains("proc") {
        "parts of /proc are masked, as in a container: run the container with `--privileged`, or with \
         `--security-opt systempaths=unconfined --security-opt seccomp=unconfined`"
    } else if errno == libc::ENOSYS || errno == libc::EINVAL || errno == libc::EOPNOTSUPP {
        "the kernel is too old or lacks a feature: Linux 5.12 or later with namespaces, veth and tmpfs is needed"
    } else {
        "in a container, run it with `--privileged` (or a seccomp profile that allows unshare and mount); \
         in a chroot, use a mount namespace of its own instead"
    };
    advice.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Settings, advise, settings};

    #[test]
    fn the_setting_that_refuses_is_named() {
        let found = settings(|name| {
            (name == "kernel/apparmor_restrict_unprivileged_userns").then(|| "1\n".to_owned())
        });
        assert_eq!(
            found,
            Settings {
                apparmor_restricts: true,
                ..Settings::default()
            }
        );
        assert!(
            advise("mounting tmpfs", libc::EACCES, &found)
                .contains("apparmor_restrict_unprivileged_userns=0")
        );
    }

    #[test]
    fn masked_proc_points_to_containers() {
        assert!(
            advise("mounting proc", libc::EPERM, &Settings::default()).contains("--privileged")
        );
    }

    #[test]
    fn full_limits_are_not_called_a_prohibition() {
        assert!(advise("unsharing", libc::ENOSPC, &Settings::default()).contains("limit"));
    }
}
