//! What the kernel's configuration has to have for the types of programs and maps
//! (`include/linux/bpf_types.h`).

use bpf_object::LoadPlan;

/// `enum bpf_prog_type` and the option without which the kernel does not know it.
const PROGRAMS: [(u32, &str); 20] = [
    (2, "BPF_EVENTS"),
    (5, "BPF_EVENTS"),
    (7, "BPF_EVENTS"),
    (8, "CGROUP_BPF"),
    (9, "CGROUP_BPF"),
    (15, "CGROUP_BPF"),
    (17, "BPF_EVENTS"),
    (18, "CGROUP_BPF"),
    (20, "BPF_LIRC_MODE2"),
    (21, "INET"),
    (23, "CGROUP_BPF"),
    (24, "BPF_EVENTS"),
    (25, "CGROUP_BPF"),
    (26, "BPF_EVENTS"),
    (27, "BPF_JIT"),
    (28, "BPF_JIT"),
    (29, "BPF_LSM"),
    (30, "INET"),
    (31, "BPF_SYSCALL"),
    (32, "NETFILTER_BPF_LINK"),
];

/// `enum bpf_map_type` and the option without which the kernel does not know it.
const MAPS: [(u32, &str); 11] = [
    (7, "PERF_EVENTS"),
    (8, "CGROUPS"),
    (15, "INET"),
    (17, "XDP_SOCKETS"),
    (18, "INET"),
    (19, "CGROUP_BPF"),
    (20, "INET"),
    (21, "CGROUP_BPF"),
    (26, "BPF_JIT"),
    (28, "BPF_LSM"),
    (32, "CGROUPS"),
];

/// Why a kernel with this configuration cannot load the first program of a plan, if so.
pub fn lacking(plan: &LoadPlan, config: &str) -> Option<String> {
    let lacks = |option: &str| !config.lines().any(|line| line == format!("CONFIG_{option}=y"));
    let find = |table: &'static [(u32, &'static str)], wanted: u32| {
        let (_, option) = table.iter().find(|(of, _)| *of == wanted)?;
        lacks(option).then_some(*option)
    };
    let first = plan.programs.first()?;
    if let Some(option) = find(&PROGRAMS, first.prog_type) {
        return Some(format!(
            "not loaded: the kernel lacks CONFIG_{option}, which programs of this type need"
        ));
    }
    plan.maps.iter().find_map(|map| {
        let option = find(&MAPS, map.map_type)?;
        Some(format!(
            "not loaded: the kernel lacks CONFIG_{option}, which the map {} needs (type {})",
            map.name, map.map_type
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_configuration_lacks_is_named() {
        let plan = |section: &str, maps: &str| {
            let source = format!("{maps}.prog main {section}\nr1 = m ll\nr0 = 0\nexit");
            bpf_object::compile(&source).unwrap()
        };
        let map = |kind: &str| format!(".map m {kind} key=4 value=8 entries=1\n");
        let config = "CONFIG_NET=y\nCONFIG_INET=y\n# CONFIG_CGROUP_BPF is not set\n";
        assert_eq!(lacking(&plan("xdp", &map("array")), config), None);
        let reason = lacking(&plan("cgroup/skb", &map("array")), config).unwrap();
        assert!(reason.contains("CONFIG_CGROUP_BPF"), "{reason}");
        assert_eq!(lacking(&plan("sk_lookup", &map("array")), config), None);
        assert!(lacking(&plan("sk_lookup", &map("array")), "").unwrap().contains("CONFIG_INET,"));
        let mut stored = plan("xdp", &map("array"));
        stored.maps[0].map_type = 19;
        assert!(lacking(&stored, config).unwrap().contains("the map m needs (type 19)"));
    }
}
