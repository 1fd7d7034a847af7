//! Every case can be assembled and linked.

use bpf_object::LoadPlan;
use bpf_suites::{Act, Case, Expect, RejectedAt};

/// `BPF_MAP_TYPE_ARRAY` (`include/uapi/linux/bpf.h`).
const MAP_TYPE_ARRAY: u32 = 2;

/// The plan of a case as used by the harness, adjusted.
fn plan(case: &Case) -> LoadPlan {
    case.plan().unwrap_or_else(|error| panic!("{} does not compile: {error}", case.name))
}

#[test]
fn adjustments_change_something() {
    for case in bpf_suites::all().into_iter().filter(|case| case.adjust.is_some()) {
        let linked = plan(&Case { adjust: None, ..case.clone() });
        assert_ne!(plan(&case), linked, "{}: adjust changes nothing", case.name);
    }
}

#[test]
fn every_case_compiles() {
    for case in bpf_suites::all().into_iter() {
        let plan = plan(&case);
        assert!(!plan.programs.is_empty(), "{}: no program", case.name);
    }
}

#[test]
fn rejections_name_steps_of_the_plan() {
    for case in bpf_suites::all() {
        let Expect::Rejected(rejection) = &case.expect else { continue };
        let plan = plan(&case);
        let (what, index, count) = match rejection.at {
            RejectedAt::CreateMap(map) => ("map", map, plan.maps.len()),
            RejectedAt::UpdateElem(map) => ("map", map, plan.maps.len()),
            RejectedAt::LoadProgram(program) => ("program", program, plan.programs.len()),
        };
        assert!(index < count, "{}: {what} {index} of {count}", case.name);
    }
}

#[test]
fn accepted_cases_have_the_inputs_of_their_program_type() {
    /// `BPF_PROG_TYPE_SYSCALL` and `BPF_PROG_TYPE_RAW_TRACEPOINT`; the other types in the suites
    /// take packets.
    const NO_PACKET: [u32; 2] = [31, 17];
    for case in bpf_suites::all() {
        let Expect::Accepted(runs) = &case.expect else { continue };
        let no_packet = NO_PACKET.contains(&plan(&case).programs[0].prog_type);
        for run in runs {
            assert_eq!(run.packet.is_empty(), no_packet, "{}: packet", case.name);
            assert_eq!(run.ctx.is_empty(), !no_packet, "{}: context", case.name);
        }
    }
}

#[test]
fn checks_name_maps_of_the_plan() {
    for case in bpf_suites::all() {
        let plan = plan(&case);
        for check in &case.checks {
            let map = plan.maps.iter().find(|map| map.name == check.map);
            let Some(map) = map else { panic!("{}: no map {}", case.name, check.map) };
            // Contents of a map are checked where the map is read, and other maps are not read
            // entirely.
            let array = map.map_type == MAP_TYPE_ARRAY && map.max_entries == 1;
            assert!(array || !matches!(check.act, Act::Holds(_)), "{}: {}", case.name, map.name);
        }
    }
}
