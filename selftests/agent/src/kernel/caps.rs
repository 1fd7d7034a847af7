//! Drops capabilities of the calling thread, for loads that must fail without one.

#![expect(unsafe_code, reason = "capget(2) and capset(2) have no safe wrapper")]

use std::io;
use std::ptr;

/// `CAP_SYS_ADMIN` of `include/uapi/linux/capability.h`; implies `CAP_BPF` for BPF's checks.
const CAP_SYS_ADMIN: u8 = 21;

/// `CAP_BPF`.
const CAP_BPF: u8 = 39;

/// `_LINUX_CAPABILITY_VERSION_3`: sets of 64 bits, in two halves.
const VERSION_3: u32 = 0x2008_0522;

/// `struct __user_cap_header_struct`; process 0 is the calling thread.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `struct __user_cap_data_struct`, 32 capabilities.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Low half, high half.
type Sets = [Half; 2];

/// Capabilities to drop, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped(u64);

impl Dropped {
    /// From bit numbers, 0 to 63.
    pub(crate) fn new(bits: &[u8]) -> Result<Self, String> {
        let mut mask = 0;
        for &bit in bits {
            mask |= 1_u64
                .checked_shl(bit.into())
                .ok_or_else(|| format!("no capability has the number {bit}"))?;
        }
        Ok(Self(mask))
    }

    /// Whether `bpf(2)` is unprivileged with the remaining ones (`bpf_capable()`).
    pub(crate) fn leaves_unprivileged(self) -> bool {
        let needed = 1 << CAP_SYS_ADMIN | 1 << CAP_BPF;
        self.0 & needed == needed
    }

    fn apply(self, mut sets: Sets) -> Sets {
        for (half, shift) in sets.iter_mut().zip([0, 32]) {
            half.effective &= !((self.0 >> shift) as u32);
        }
        sets
    }

    /// Runs `act` without the capabilities, then restores them.
    ///
    /// They stay permitted, and only the calling thread is affected, not the heartbeat.
    pub(crate) fn during<T>(self, act: impl FnOnce() -> T) -> Result<T, String> {
        if self.0 == 0 {
            return Ok(act());
        }
        let before = get().map_err(|e| format!("failed to read the capabilities: {e}"))?;
        set(self.apply(before)).map_err(|e| format!("failed to drop capabilities: {e}"))?;
        let result = act();
        set(before).map_err(|e| format!("failed to take the capabilities back: {e}"))?;
        Ok(result)
    }
}

fn get() -> io::Result<Sets> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    let mut sets = Sets::default();
    // SAFETY: both pointers refer to live structs with the layout of version 3, the second to two
    // of them.
    let result =
        unsafe { libc::syscall(libc::SYS_capget, ptr::from_mut(&mut header), sets.as_mut_ptr()) };
    if result == 0 { Ok(sets) } else { Err(io::Error::last_os_error()) }
}

fn set(sets: Sets) -> io::Result<()> {
    let mut header = Header { version: VERSION_3, pid: 0 };
    // SAFETY: as in `get`; the kernel only reads the sets.
    let result =
        unsafe { libc::syscall(libc::SYS_capset, ptr::from_mut(&mut header), sets.as_ptr()) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FULL: Half = Half { effective: !0, permitted: !0, inheritable: 0 };

    #[test]
    fn bits_clear_their_half_of_the_effective_set_alone() {
        let sets = Dropped::new(&[CAP_SYS_ADMIN, CAP_BPF]).unwrap().apply([FULL, FULL]);
        assert_eq!(sets[0], Half { effective: !(1 << 21), ..FULL });
        assert_eq!(sets[1], Half { effective: !(1 << 7), ..FULL });
        assert_eq!(Dropped::new(&[]).unwrap().apply([FULL, FULL]), [FULL, FULL]);
    }

    #[test]
    fn only_both_together_leave_bpf_unprivileged() {
        let unprivileged = |bits: &[u8]| Dropped::new(bits).unwrap().leaves_unprivileged();
        assert!(unprivileged(&[12, CAP_SYS_ADMIN, 38, CAP_BPF]));
        assert!(!unprivileged(&[CAP_SYS_ADMIN]));
        assert!(!unprivileged(&[CAP_BPF]));
    }

    #[test]
    fn numbers_past_the_sets_are_refused() {
        assert!(Dropped::new(&[63]).is_ok());
        assert_eq!(Dropped::new(&[64]), Err("no capability has the number 64".to_owned()));
    }

    #[test]
    fn the_sets_come_back() {
        let before = get().unwrap();
        let within = Dropped::new(&[CAP_BPF]).unwrap().during(get).unwrap().unwrap();
        assert_eq!(within[1].effective, before[1].effective & !(1 << 7));
        assert_eq!(get().unwrap(), before);
    }
}
