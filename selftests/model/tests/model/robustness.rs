//! The model never panics: any bytes as program, any plan, any input.

use bpf_isa::Insn;
use bpf_model::{Input, Machine};
use bpf_object::{FunctionStart, LoadPlan, MapElement, MapPlan, MapRef};
use proptest::prelude::*;

use crate::common::*;

/// Slots that are often instructions: real opcodes, existing registers, small numbers.
fn likely() -> impl Strategy<Value = Insn> {
    let code = prop_oneof![
        Just(0x18u8),
        Just(0x85),
        Just(0x8d),
        Just(0x0d),
        Just(0x95),
        Just(0x79),
        Just(0x7b),
        Just(0x63),
        Just(0x61),
        Just(0xdb),
        Just(0xc3),
        Just(0x30),
        Just(0x50),
        Just(0x05),
        Just(0xe5),
        Just(0xbf),
        Just(0x0f),
        Just(0x1f),
        Just(0x15),
        Just(0xb7),
        any::<u8>(),
    ];
    let off = prop_oneof![-4i16..8, Just(-8i16), Just(-16i16), any::<i16>()];
    let imm = prop_oneof![-4i32..8, Just(0i32), Just(0xf1i32), Just(0x100i32), any::<i32>()];
    (code, 0u8..11, 0u8..11, off, imm)
        .prop_map(|(code, dst, src, off, imm)| insn(code, dst, src, off, imm))
}

fn slots() -> impl Strategy<Value = Vec<Insn>> {
    prop_oneof![
        proptest::collection::vec(likely(), 0..40),
        proptest::collection::vec(any::<[u8; 8]>().prop_map(Insn::from_bytes), 0..20),
    ]
}

fn maps() -> impl Strategy<Value = Vec<MapPlan>> {
    let map_type = prop_oneof![Just(HASH), Just(ARRAY), Just(6u32), Just(INSN_ARRAY), 0u32..40];
    let size = prop_oneof![Just(4u32), Just(8u32), Just(16u32), 0u32..600, any::<u32>()];
    let element =
        (proptest::collection::vec(any::<u8>(), 4), proptest::collection::vec(any::<u8>(), 8))
            .prop_map(|(key, value)| MapElement { key, value });
    let map = (
        map_type,
        size.clone(),
        size,
        prop_oneof![1u32..10, any::<u32>()],
        any::<u32>(),
        proptest::collection::vec(element, 0..3),
    );
    let map =
        map.prop_map(|(map_type, key_size, value_size, max_entries, flags, contents)| MapPlan {
            flags,
            contents,
            ..crate::common::map(map_type, key_size, value_size, max_entries)
        });
    proptest::collection::vec(map, 0..3)
}

fn prog_type() -> impl Strategy<Value = u32> {
    prop_oneof![Just(SYSCALL), Just(SOCKET_FILTER), Just(SCHED_CLS), Just(XDP), any::<u32>()]
}

/// Plans whose maps can be created, so that programs get at them.
fn plans() -> impl Strategy<Value = LoadPlan> {
    let refs = proptest::collection::vec((0usize..40, 0usize..4), 0..6);
    let starts = proptest::collection::vec(0usize..45, 0..4);
    let table = proptest::collection::vec(prop_oneof![9 => 0u32..45, 1 => any::<u32>()], 1..5);
    (prog_type(), slots(), refs, starts, table).prop_map(
        |(prog_type, insns, refs, starts, table)| {
            let mut plan = plan_of(prog_type, &insns);
            plan.maps = vec![map(ARRAY, 4, 8, 1), map(HASH, 4, 8, 2), jump_table(&table)];
            let program = &mut plan.programs[0];
            program.map_refs = refs.into_iter().map(|(slot, map)| MapRef { slot, map }).collect();
            let wide = insns.iter().enumerate().filter(|(_, insn)| insn.code == 0x18);
            program.map_refs.extend(wide.map(|(slot, _)| MapRef { slot, map: slot % 3 }));
            program.functions = starts
                .into_iter()
                .map(|slot| FunctionStart { name: String::new(), slot, global: false })
                .collect();
            plan
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2000) })]

    #[test]
    fn any_program(plan in plans(), ctx in proptest::collection::vec(any::<u8>(), 0..40),
                   packet in proptest::collection::vec(any::<u8>(), 0..80)) {
        let input = Input { ctx, packet };
        let mut machine = Machine::new(&plan).expect("these maps can be created");
        let plain = machine.clone().run(0, &input, 2000);
        let traced = machine.run_traced(0, &input, 2000, 8);
        match (plain, traced) {
            (Ok(plain), Ok((traced, _))) => prop_assert_eq!(plain, traced),
            (Err(plain), Err(traced)) => {
                prop_assert!(!plain.to_string().is_empty());
                prop_assert_eq!(plain.kind, traced.kind);
            }
            (plain, traced) => prop_assert!(false, "{:?} but traced {:?}", plain, traced),
        }
    }

    #[test]
    fn any_maps(maps in maps(), insns in slots()) {
        let mut plan = plan(&insns);
        plan.maps = maps;
        plan.programs[0].map_refs = (0..40).map(|slot| MapRef { slot, map: slot % 4 }).collect();
        if let Ok(mut machine) = Machine::new(&plan) {
            let _ = machine.run(0, &Input::default(), 2000);
            for index in 0..plan.maps.len() {
                let view = machine.map(index).expect("the map exists");
                let few = plan.maps[index].max_entries < 1000;
                prop_assert!(!few || view.elements().len() <= 1000);
            }
        }
    }
}
