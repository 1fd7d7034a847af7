//! What the name of a program's section implies.
//!
//! The names are those of `section_defs` in `tools/lib/bpf/libbpf.c`.

/// The kind of the programs in a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ProgramKind {
    /// `enum bpf_prog_type`.
    pub(super) prog_type: u32,
    /// `enum bpf_attach_type`, 0 if it does not matter.
    pub(super) attach_type: u32,
    /// `BPF_F_*` flags of `BPF_PROG_LOAD`.
    pub(super) flags: u32,
}

/// `BPF_F_SLEEPABLE`.
const SLEEPABLE: u32 = 1 << 4;
/// `BPF_F_XDP_HAS_FRAGS`.
const FRAGS: u32 = 1 << 5;

/// Name, `enum bpf_prog_type`, `enum bpf_attach_type`, flags; sorted by name.
#[rustfmt::skip]
const SECTIONS: [(&str, u32, u32, u32); 92] = [
    ("action", 4, 0, 0),
    ("cgroup/bind4", 18, 8, 0),
    ("cgroup/bind6", 18, 9, 0),
    ("cgroup/connect4", 18, 10, 0),
    ("cgroup/connect6", 18, 11, 0),
    ("cgroup/connect_unix", 18, 49, 0),
    ("cgroup/dev", 15, 6, 0),
    ("cgroup/getpeername4", 18, 29, 0),
    ("cgroup/getpeername6", 18, 30, 0),
    ("cgroup/getpeername_unix", 18, 52, 0),
    ("cgroup/getsockname4", 18, 31, 0),
    ("cgroup/getsockname6", 18, 32, 0),
    ("cgroup/getsockname_unix", 18, 53, 0),
    ("cgroup/getsockopt", 25, 21, 0),
    ("cgroup/post_bind4", 9, 12, 0),
    ("cgroup/post_bind6", 9, 13, 0),
    ("cgroup/recvmsg4", 18, 19, 0),
    ("cgroup/recvmsg6", 18, 20, 0),
    ("cgroup/recvmsg_unix", 18, 51, 0),
    ("cgroup/sendmsg4", 18, 14, 0),
    ("cgroup/sendmsg6", 18, 15, 0),
    ("cgroup/sendmsg_unix", 18, 50, 0),
    ("cgroup/setsockopt", 25, 22, 0),
    ("cgroup/skb", 8, 0, 0),
    ("cgroup/sock", 9, 2, 0),
    ("cgroup/sock_create", 9, 2, 0),
    ("cgroup/sock_release", 9, 34, 0),
    ("cgroup/sysctl", 23, 18, 0),
    ("cgroup_skb/egress", 8, 1, 0),
    ("cgroup_skb/ingress", 8, 0, 0),
    ("classifier", 3, 0, 0),
    ("flow_dissector", 22, 17, 0),
    ("kprobe", 2, 0, 0),
    ("kprobe.multi", 2, 42, 0),
    ("kprobe.session", 2, 56, 0),
    ("kretprobe", 2, 0, 0),
    ("kretprobe.multi", 2, 42, 0),
    ("kretsyscall", 2, 0, 0),
    ("ksyscall", 2, 0, 0),
    ("lirc_mode2", 20, 16, 0),
    ("lwt_in", 10, 0, 0),
    ("lwt_out", 11, 0, 0),
    ("lwt_seg6local", 19, 0, 0),
    ("lwt_xmit", 12, 0, 0),
    ("netfilter", 32, 45, 0),
    ("netkit/peer", 3, 55, 0),
    ("netkit/primary", 3, 54, 0),
    ("perf_event", 7, 0, 0),
    ("raw_tp", 17, 0, 0),
    ("raw_tp.s", 17, 0, SLEEPABLE),
    ("raw_tp.w", 24, 0, 0),
    ("raw_tracepoint", 17, 0, 0),
    ("raw_tracepoint.s", 17, 0, SLEEPABLE),
    ("raw_tracepoint.w", 24, 0, 0),
    ("sk_lookup", 30, 36, 0),
    ("sk_msg", 16, 7, 0),
    ("sk_reuseport", 21, 39, 0),
    ("sk_reuseport/migrate", 21, 40, 0),
    ("sk_skb", 14, 0, 0),
    ("sk_skb/stream_parser", 14, 4, 0),
    ("sk_skb/stream_verdict", 14, 5, 0),
    ("sk_skb/verdict", 14, 38, 0),
    ("socket", 1, 0, 0),
    ("sockops", 13, 3, 0),
    ("syscall", 31, 0, SLEEPABLE),
    ("tc", 3, 0, 0),
    ("tc/egress", 3, 47, 0),
    ("tc/ingress", 3, 46, 0),
    ("tcx/egress", 3, 47, 0),
    ("tcx/ingress", 3, 46, 0),
    ("tp", 5, 0, 0),
    ("tp.s", 5, 0, SLEEPABLE),
    ("tracepoint", 5, 0, 0),
    ("tracepoint.s", 5, 0, SLEEPABLE),
    ("uprobe", 2, 0, 0),
    ("uprobe.multi", 2, 48, 0),
    ("uprobe.multi.s", 2, 48, SLEEPABLE),
    ("uprobe.s", 2, 0, SLEEPABLE),
    ("uprobe.session", 2, 57, 0),
    ("uprobe.session.s", 2, 57, SLEEPABLE),
    ("uretprobe", 2, 0, 0),
    ("uretprobe.multi", 2, 48, 0),
    ("uretprobe.multi.s", 2, 48, SLEEPABLE),
    ("uretprobe.s", 2, 0, SLEEPABLE),
    ("usdt", 2, 0, 0),
    ("usdt.s", 2, 0, SLEEPABLE),
    ("xdp", 6, 0, 0),
    ("xdp.frags", 6, 37, FRAGS),
    ("xdp.frags/cpumap", 6, 35, FRAGS),
    ("xdp.frags/devmap", 6, 33, FRAGS),
    ("xdp/cpumap", 6, 35, 0),
    ("xdp/devmap", 6, 33, 0),
];

/// Sections whose programs attach by an id in the kernel's BTF, or belong to a struct that BTF
/// describes; with or without the suffix `.s` or `.multi`.
const BY_BTF: [&str; 10] = [
    "fentry",
    "fexit",
    "fmod_ret",
    "freplace",
    "fsession",
    "iter",
    "lsm",
    "lsm_cgroup",
    "struct_ops",
    "tp_btf",
];

/// The kind of the programs in a section. The text after a `/` is chosen by the user; a leading `?`
/// tells libbpf not to load the program by default.
///
/// # Errors
///
/// Why the section is not supported.
pub(super) fn program_kind(section: &str) -> Result<ProgramKind, String> {
    let section = section.strip_prefix('?').unwrap_or(section);
    let (prefix, _) = section.split_once('/').unwrap_or((section, ""));
    let find = |name: &str| {
        let at = SECTIONS.binary_search_by_key(&name, |(name, ..)| name).ok()?;
        let (_, prog_type, attach_type, flags) = SECTIONS[at];
        Some(ProgramKind { prog_type, attach_type, flags })
    };
    let (plain, _) = prefix.split_once('.').unwrap_or((prefix, ""));
    if BY_BTF.contains(&plain) {
        return Err("programs of this section refer to the BTF of the kernel, which is not there \
                    when the object is linked"
            .to_owned());
    }
    find(section).or_else(|| find(prefix)).ok_or_else(|| {
        "no program type is known for this section; known are those of libbpf, such as `syscall`, \
         `socket`, `tc`, `xdp`, `raw_tp`, `cgroup/skb`"
            .to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_are_found_by_their_whole_name_or_by_what_stands_before_a_slash() {
        assert!(SECTIONS.is_sorted_by_key(|(name, ..)| name));
        let kind = |name| program_kind(name).map(|it| (it.prog_type, it.attach_type, it.flags));
        assert_eq!(kind("syscall"), Ok((31, 0, SLEEPABLE)));
        assert_eq!(kind("?tc/mine"), Ok((3, 0, 0)));
        // BPF_TCX_INGRESS and BPF_CGROUP_INET_INGRESS.
        assert_eq!(kind("tc/ingress"), Ok((3, 46, 0)));
        assert_eq!(kind("cgroup_skb/ingress"), Ok((8, 0, 0)));
        assert_eq!(kind("xdp.frags"), Ok((6, 37, FRAGS)));
        assert_eq!(kind("kprobe/do_nanosleep"), Ok((2, 0, 0)));
    }

    #[test]
    fn other_sections_say_why_they_have_no_program() {
        for section in ["fentry/x", "lsm.s/bpf", "?struct_ops", "fexit.multi.s/x"] {
            assert!(program_kind(section).unwrap_err().contains("BTF of the kernel"), "{section}");
        }
        assert!(program_kind("mine").unwrap_err().contains("no program type"));
        assert!(program_kind("cgroup/mine").is_err());
    }
}
