//! Data with pointers to functions, and calls of what it points to.

use bpf_model::{TrapKind, ValueKind};
use bpf_object::{BtfUse, LoadPlan, compile, compile_with};

use crate::common::*;

const FUNCTIONS: &str = "
    .func a
        r0 = r1
        r0 += 1
        exit
    .func b
        r0 = r1
        r0 += 100
        exit
";

/// A plan of instructions and the items of the object `T` in `.rodata`.
fn source(code: &str, items: &str) -> String {
    format!("{code}\n.data T .rodata: {items}\n{FUNCTIONS}")
}

fn compiled(code: &str, items: &str) -> LoadPlan {
    compile(&source(code, items)).unwrap_or_else(|error| panic!("{error}"))
}

const CALL: &str = "r2 = *(u64 *)(r2 +0)\nr1 = 7\ncallx r2\nexit";

#[test]
fn a_pointer_in_data_is_called() {
    let call = |address: &str| r0(&compiled(&format!("r2 = {address} ll\n{CALL}"), "a, 5, b"));
    assert_eq!(call("T"), 8);
    assert_eq!(call("T + 16"), 107);
}

#[test]
fn data_beside_a_pointer_is_a_number() {
    let code = "r2 = T ll\nr0 = *(u64 *)(r2 +8)\nr3 = *(u32 *)(r2 +16)\nr0 += r3\nexit\ncallx r2";
    assert_eq!(r0(&compiled(code, "a, 1000, u32 30, u32 7, b")), 1030);
}

#[test]
fn a_read_of_part_of_a_pointer_traps() {
    let read = |load: &str| {
        let code = format!("r2 = T ll\nr0 = {load}\nr0 = 0\nexit\ncallx r2");
        trap(&compiled(&code, "1, a, 2"))
    };
    let overlap = |offset, size| (2, TrapKind::FunctionPointer { offset, size });
    assert_eq!(read("*(u32 *)(r2 +8)"), overlap(8, 4));
    assert_eq!(read("*(u8 *)(r2 +15)"), overlap(15, 1));
    assert_eq!(read("*(s16 *)(r2 +10)"), overlap(10, 2));
    assert_eq!(read("*(u64 *)(r2 +1)"), overlap(1, 8));
    assert_eq!(read("*(u64 *)(r2 +15)"), overlap(15, 8));
    let reads = "r2 = T ll\nr0 = *(u64 *)(r2 +0)\nr0 = *(u8 *)(r2 +7)\nr0 = *(u8 *)(r2 +16)\nexit\n\
                 callx r2";
    assert_eq!(r0(&compiled(reads, "1, a, 2")), 2);
}

#[test]
fn a_helper_does_not_read_pointers() {
    let update = |offset: u32| {
        compiled(
            &format!(
                "*(u32 *)(r10 -4) = 0\nr1 = map M ll\nr2 = r10\nr2 += -4\nr3 = T + {offset} ll\n\
                 r4 = 0\ncall bpf_map_update_elem\nexit\ncallx r2\n\
                 .map M array key=4 value=8 entries=1"
            ),
            "1, a, 2",
        )
    };
    assert_eq!(r0(&update(0)), 0);
    assert_eq!(r0(&update(16)), 0);
    let overlap = |offset| (8, TrapKind::FunctionPointer { offset, size: 8 });
    assert_eq!(trap(&update(1)), overlap(1));
    assert_eq!(trap(&update(8)), overlap(8));
}

#[test]
fn what_is_no_pointer_is_a_number() {
    let scalar = |plan: &LoadPlan| {
        assert_eq!(
            trap(plan),
            (4, TrapKind::NotFunctionAddress { reg: 2, found: ValueKind::Scalar })
        );
    };
    let code = format!("r2 = T ll\n{CALL}");
    // b is at slot 6, a at slot 9. A number that happens to be a function's offset points to it only
    // where no type of the data says otherwise.
    let chance = compiled(&code, "48, b, a");
    scalar(&chance);
    let mut untyped = chance;
    untyped.maps[0].types = None;
    assert_eq!(r0(&untyped), 107);
    for items in ["0, b, a", "47, b, a", "56, b, a", "96, b, a", "-8, b, a"] {
        scalar(&compiled(&code, items));
    }
    // Not aligned in the data.
    let odd = format!("r2 = T + 4 ll\n{CALL}");
    scalar(&compiled(&odd, "u32 5, a, b"));
    // Not frozen, not read-only.
    let good = compiled(&code, "a, b");
    assert_eq!(r0(&good), 8);
    let changes: [fn(&mut LoadPlan); 2] =
        [|plan| plan.maps[0].frozen = false, |plan| plan.maps[0].flags = 0];
    for change in changes {
        let mut plan = good.clone();
        change(&mut plan);
        scalar(&plan);
    }
    // Without BTF, only functions that code names.
    let without = |code: &str| compile_with(&source(code, "a, b"), BtfUse::Never).unwrap();
    scalar(&without(&code));
    assert_eq!(r0(&without(&format!("r2 = T ll\n{CALL}\ncall a"))), 8);
    // With BTF, only static ones.
    let global = source(&code, "a, b").replace(".func a", ".global a");
    scalar(&compile(&global).unwrap());
    let taken = global.replace("callx r2", "callx r2\nr3 = a ll");
    scalar(&compile(&taken).unwrap());
    assert_eq!(r0(&compile_with(&taken, BtfUse::Never).unwrap()), 8);
}

#[test]
fn only_programs_with_callx_see_pointers() {
    let code = "r2 = T ll\nr0 = *(u64 *)(r2 +0)\nexit\ncall a";
    assert_eq!(r0(&compiled(code, "a")), 5 * 8);
    assert!(r0(&compiled(&format!("{code}\ncallx r2"), "a")) > u64::from(u32::MAX));
}

#[test]
fn user_space_sees_byte_offsets() {
    use bpf_model::{Input, Machine};
    let plan = compiled(&format!("r2 = T ll\n{CALL}"), "a, 3");
    let mut machine = Machine::new(&plan).unwrap();
    machine.run(0, &Input::default(), 100).unwrap();
    let value: Vec<u8> = [6 * 8u64, 3].into_iter().flat_map(u64::to_le_bytes).collect();
    assert_eq!(machine.map(0).unwrap().elements(), [(vec![0; 4], value)]);
}

#[test]
fn data_cannot_be_written() {
    let code = "r2 = T ll\n*(u64 *)(r2 +8) = 0\nexit\ncallx r2";
    assert!(matches!(trap(&compiled(code, "a, 3")), (2, TrapKind::ReadOnly { .. })));
}

#[test]
fn pointers_are_those_of_the_first_program_with_callx() {
    use bpf_model::{Input, Machine};
    let program = |name: &str| {
        format!(
            ".prog {name} syscall\nr2 = T ll\nr0 = 7\nr2 = *(u64 *)(r2 +0)\nr1 = 7\ncallx r2\nexit\n"
        )
    };
    let code = program("one") + &program("two");
    let mut plan = compiled(&code, "a");
    // Each has a map of its own; the kernel refuses that they share one.
    assert_eq!(plan.maps.len(), 2);
    plan.programs[1].map_refs[0].map = 0;
    let mut machine = Machine::new(&plan).unwrap();
    assert_eq!(machine.run(0, &Input::default(), 100).unwrap().r0, 8);
    let trap = machine.run(1, &Input::default(), 100).unwrap_err();
    assert_eq!(trap.kind, TrapKind::NotFunctionAddress { reg: 2, found: ValueKind::Scalar });
}
