//! What the name of a program's section says about the program.
//!
//! The names are those of `section_defs` in `tools/lib/bpf/libbpf.c`.

/// The types of program of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProgramKind {
    /// `enum bpf_prog_type`.
    pub(super) prog_type: u32,
    /// `BPF_F_*` flags of `BPF_PROG_LOAD`.
    pub(super) flags: u32,
}

const SOCKET_FILTER: u32 = 1;
const SCHED_CLS: u32 = 3;
const SCHED_ACT: u32 = 4;
const XDP: u32 = 6;
const RAW_TRACEPOINT: u32 = 17;
const SYSCALL: u32 = 31;
/// `BPF_F_SLEEPABLE`, without which the kernel refuses programs of the type syscall.
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_F_XDP_HAS_FRAGS`: the program takes packets of several buffers.
const XDP_HAS_FRAGS: u32 = 1 << 5;

/// The known sections, for messages.
pub(super) const KNOWN: &str =
    "`syscall`, `socket`, `tc`, `classifier`, `action`, `xdp`, `xdp.frags`, `raw_tp`";

/// The kind of the programs in a section; what stands behind a `/` is a name of the user's, and a `?` in
/// front says that libbpf is not to load it unless asked.
pub(super) fn program_kind(section: &str) -> Option<ProgramKind> {
    let section = section.strip_prefix('?').unwrap_or(section);
    let (prefix, _) = section.split_once('/').unwrap_or((section, ""));
    let (prog_type, flags) = match prefix {
        "syscall" => (SYSCALL, SLEEPABLE),
        "socket" => (SOCKET_FILTER, 0),
        "tc" | "classifier" => (SCHED_CLS, 0),
        "action" => (SCHED_ACT, 0),
        "xdp" => (XDP, 0),
        "xdp.frags" => (XDP, XDP_HAS_FRAGS),
        "raw_tp" | "raw_tracepoint" => (RAW_TRACEPOINT, 0),
        _ => return None,
    };
    Some(ProgramKind { prog_type, flags })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_named_as_in_libbpf() {
        let kind = |section| program_kind(section).map(|kind| (kind.prog_type, kind.flags));
        assert_eq!(kind("?tc/ingress"), Some((SCHED_CLS, 0)));
        assert_eq!(kind("syscall"), Some((SYSCALL, SLEEPABLE)));
        assert_eq!(kind("xdp.frags/x"), Some((XDP, XDP_HAS_FRAGS)));
        assert_eq!(kind("action"), Some((SCHED_ACT, 0)));
        assert_eq!(kind("??tc"), None);
        assert_eq!(kind("xdpx"), None);
    }
}
