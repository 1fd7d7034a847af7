//! Read-only data with pointers to functions: tables, operation structs, vtables.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{accepts, ctx_u64s, load_flag};
use crate::callx::shape::element;

/// Two functions that only data points to: they return argument, and argument + 100.
const A_B: &str = "
    .func a
        r0 = r1
        exit
    .func b
        r0 = r1
        r0 += 100
        exit
";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = tables();
    cases.extend(structs());
    cases.extend(layout());
    cases
}

/// Tables with only functions.
fn tables() -> Vec<Case> {
    let table = |name: &str, about: &str, body: &str, data: &str| {
        accepts(
            name,
            about,
            format!("{body}\nr1 = r6\ncallx r2\nexit\n{A_B}\n.data T {data}: a, b"),
        )
    };
    let second = "r6 = *(u64 *)(r1 +0)\nr2 = T ll\nr2 = *(u64 *)(r2 +8)";
    vec![
        table("callx/table_constant_index", "the second of two functions", second, ".rodata")
            .runs(&[(0, 100), (5, 105)])
            .into(),
        table(
            "callx/table_relocated_by_symbol",
            "the code refers to the table's own symbol, not to its section's",
            second,
            ".rodata global",
        )
        .runs(&[(0, 100)])
        .into(),
        table(
            "callx/table_in_data_rel_ro",
            "the section that compilers put tables of functions into",
            second,
            ".data.rel.ro",
        )
        .runs(&[(0, 100)])
        .into(),
        table(
            "callx/table_addressed_in_the_middle",
            "the address of the second element is the relocation's addend",
            "r6 = *(u64 *)(r1 +0)\nr2 = T + 8 ll\nr2 = *(u64 *)(r2 +0)",
            ".rodata",
        )
        .runs(&[(0, 100)])
        .into(),
        table(
            "callx/table_addressed_behind_its_end",
            "a negative offset from the address behind the last element",
            "r6 = *(u64 *)(r1 +0)\nr2 = T + 8 ll\nr2 = *(u64 *)(r2 -8)",
            ".rodata",
        )
        .runs(&[(7, 7)])
        .into(),
        table(
            "callx/table_variable_index",
            "the element that the context selects",
            &element("T", 1, 3),
            ".rodata",
        )
        .runs(&[(0, 0), (1, 101), (4, 4), (5, 105)])
        .into(),
        table(
            "callx/table_variable_index_all_states",
            "the same with a state kept at every instruction: the two functions make two states",
            &element("T", 1, 3),
            ".rodata",
        )
        .flags(load_flag::TEST_STATE_FREQ)
        .runs(&[(0, 0), (1, 101)])
        .into(),
        accepts(
            "callx/table_of_symbols_and_sections",
            "pointers relocated by the function's symbol and by the section's",
            format!(
                "{}\nr1 = r6\ncallx r2\nexit\n{A_B}\n.data T .rodata: a, symbol a, symbol b, b",
                element("T", 3, 3)
            ),
        )
        .runs(&[(0, 0), (1, 1), (2, 102), (3, 103)])
        .into(),
        accepts(
            "callx/table_of_one_function",
            "every element is the same function: one pointer, whatever the index",
            format!(
                "{}\nr1 = r6\ncallx r2\nexit\n{A_B}\n.data T .rodata: b, b, b, b",
                element("T", 3, 3)
            ),
        )
        .runs(&[(0, 100), (3, 103)])
        .into(),
        accepts(
            "callx/table_of_32_functions",
            "a variable index into a table of 32 different functions",
            format!(
                "{}\nr1 = r6\ncallx r2\nexit\n{}\n.data T .rodata: {}",
                element("T", 31, 3),
                (0..32).map(|n| format!(".func f{n}\nr0 = {}\nexit\n", n * n)).collect::<String>(),
                (0..32).map(|n| format!("f{n}")).collect::<Vec<_>>().join(", ")
            ),
        )
        .runs(&[(0, 0), (5, 25), (31, 961)])
        .into(),
    ]
}

/// Pointers and plain data in one object.
fn structs() -> Vec<Case> {
    vec![
        accepts(
            "callx/array_of_structs",
            "data next to the functions, with a variable index",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r6 &= 1
                    r6 <<= 4
                    r7 = T ll
                    r7 += r6
                    r1 = *(u64 *)(r7 +0)
                    r2 = *(u64 *)(r7 +8)
                    callx r2
                    exit
                {A_B}
                .data T .rodata: 1000, a, 2000, b
                "
            ),
        )
        .runs(&[(0, 1000), (1, 2100)])
        .into(),
        accepts(
            "callx/struct_with_fields_of_all_sizes",
            "bytes, words and zeros around a pointer are read as what they are",
            format!(
                "
                    r7 = ops ll
                    r1 = *(u8 *)(r7 +0)
                    r2 = *(u8 *)(r7 +1)
                    r1 += r2
                    r2 = *(u16 *)(r7 +2)
                    r1 += r2
                    r2 = *(u32 *)(r7 +4)
                    r1 += r2
                    r2 = *(u64 *)(r7 +16)
                    r1 += r2
                    r2 = *(u64 *)(r7 +8)
                    callx r2
                    exit
                {A_B}
                .data ops .rodata: u8 1, u8 20, u16 300, u32 4000, b, zero 8
                "
            ),
        )
        .runs(&[(0, 4421)])
        .into(),
        accepts(
            "callx/data_beside_pointer_stays_constant",
            "the verifier knows the number beside a pointer: the branch that it rules out may do \
             what it likes",
            format!(
                "
                    r7 = ops ll
                    r1 = *(u64 *)(r7 +0)
                    if r1 == 1000 goto good
                    r0 = *(u64 *)(r1 +0)
                good:
                    r2 = *(u64 *)(r7 +8)
                    callx r2
                    exit
                {A_B}
                .data ops .rodata: 1000, a
                "
            ),
        )
        .runs(&[(0, 1000)])
        .into(),
        accepts(
            "callx/two_vtables_chosen_at_run_time",
            "which vtable is chosen first, which method and which data later",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r8 = *(u64 *)(r1 +8)
                    r7 = first ll
                    if r6 == 0 goto chosen
                    r7 = second ll
                chosen:
                    r1 = *(u64 *)(r7 +0)
                    r8 &= 1
                    r8 <<= 3
                    r8 += 8
                    r7 += r8
                    r2 = *(u64 *)(r7 +0)
                    callx r2
                    exit
                {A_B}
                .func c
                    r0 = r1
                    r0 += 500
                    exit
                .data first .rodata: 1000, a, b
                .data second .rodata: 2000, b, c
                "
            ),
        )
        .run(ctx_u64s(&[0, 0]), 1000)
        .run(ctx_u64s(&[0, 1]), 1100)
        .run(ctx_u64s(&[1, 0]), 2100)
        .run(ctx_u64s(&[1, 1]), 2500)
        .into(),
        accepts(
            "callx/vtable_passed_to_a_function",
            "a function is handed the vtable's address and calls both methods",
            format!(
                "
                    r1 = vt ll
                    r2 = use ll
                    callx r2
                    exit
                .func use
                    r6 = r1
                    r2 = *(u64 *)(r6 +0)
                    r1 = 1
                    callx r2
                    r1 = r0
                    r2 = *(u64 *)(r6 +16)
                    callx r2
                    exit
                {A_B}
                .data vt .data.rel.ro: a, u32 7, u32 0, b
                "
            ),
        )
        .runs(&[(0, 101)])
        .into(),
        accepts(
            "callx/object_with_its_vtable_on_stack",
            "an object on the stack has the vtable's address in front, as C++ and Rust do it",
            format!(
                "
                    r1 = vt ll
                    *(u64 *)(r10 -16) = r1
                    *(u64 *)(r10 -8) = 42
                    r1 = r10
                    r1 += -16
                    call method
                    exit
                .func method
                    r2 = *(u64 *)(r1 +0)
                    r2 = *(u64 *)(r2 +8)
                    r1 = *(u64 *)(r1 +8)
                    callx r2
                    exit
                {A_B}
                .data vt .data.rel.ro: 0, b
                "
            ),
        )
        .runs(&[(0, 142)])
        .into(),
    ]
}

/// Data layout, and how the kernel treats its words.
fn layout() -> Vec<Case> {
    vec![
        accepts(
            "callx/two_objects_of_one_section",
            "two tables share a map; the second starts behind the first",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r2 = T ll
                    r2 = *(u64 *)(r2 +0)
                    r1 = r6
                    callx r2
                    r2 = S ll
                    r2 = *(u64 *)(r2 +0)
                    r1 = r0
                    callx r2
                    exit
                {A_B}
                .data T .rodata: a, b, u8 1
                .data S .rodata: b, a
                "
            ),
        )
        .runs(&[(5, 105)])
        .into(),
        accepts(
            "callx/two_sections",
            "two maps with pointers of one program",
            format!(
                "
                    r6 = *(u64 *)(r1 +0)
                    r2 = T ll
                    r2 = *(u64 *)(r2 +0)
                    r1 = r6
                    callx r2
                    r2 = S ll
                    r2 = *(u64 *)(r2 +8)
                    r1 = r0
                    callx r2
                    exit
                {A_B}
                .data T .rodata: b
                .data S .data.rel.ro: 17, a
                "
            ),
        )
        .runs(&[(5, 105)])
        .into(),
        accepts(
            "callx/pointer_in_code_and_in_data",
            "the same function by ld_imm64 and from data, compared and called: one address",
            format!(
                "
                    r6 = T ll
                    r6 = *(u64 *)(r6 +8)
                    r7 = b ll
                    r8 = 0
                    if r6 != r7 goto differ
                    r8 = 1000
                differ:
                    r1 = 1
                    callx r6
                    r1 = r0
                    callx r7
                    r0 += r8
                    exit
                {A_B}
                .data T .rodata: a, b
                "
            ),
        )
        .runs(&[(0, 1201)])
        .into(),
        accepts(
            "callx/spilled_from_data",
            "a pointer from data waits on the stack over another call",
            format!(
                "{}
                    *(u64 *)(r10 -8) = r2
                    r1 = T ll
                    r1 = *(u64 *)(r1 +0)
                    r2 = r1
                    r1 = 3
                    callx r2
                    r1 = r0
                    r2 = *(u64 *)(r10 -8)
                    callx r2
                    exit
                {A_B}
                .data T .rodata: a, b
                ",
                element("T", 1, 3)
            ),
        )
        .runs(&[(0, 3), (1, 103)])
        .into(),
        accepts(
            "callx/number_that_is_an_offset",
            "without types nothing marks a pointer: a number that is a function's byte offset is one",
            "
                r1 = *(u64 *)(r1 +0)
                r2 = T ll
                r2 = *(u64 *)(r2 +0)
                callx r2
                r2 = f ll
                exit
            .func f
                r0 = r1
                r0 += 2
                exit
            .data T .rodata: u64 64
            ",
        )
        .btf(BtfUse::Never)
        .runs(&[(5, 7)])
        .into(),
        accepts(
            "callx/offset_zero_is_a_number",
            "the program's own first instruction has the offset 0, which is no pointer: a null \
             pointer can be told from a function",
            format!(
                "{}
                    if r2 == 0 goto none
                    r1 = 7
                    callx r2
                    exit
                none:
                    r0 = 55
                    exit
                {A_B}
                .data T .rodata: a, a
                .data N .data.rel.ro: 0, 0
                ",
                "
                    r6 = *(u64 *)(r1 +0)
                    r2 = T ll
                    r2 = *(u64 *)(r2 +0)
                    if r6 == 0 goto chosen
                    r2 = N ll
                    r2 = *(u64 *)(r2 +8)
                chosen:
                "
            ),
        )
        .runs(&[(0, 7), (1, 55)])
        .into(),
        accepts(
            "callx/in_global_function_from_data",
            "a global function, verified by itself, calls through a table",
            format!(
                "
                    r1 = *(u64 *)(r1 +0)
                    call g
                    exit
                .global g
                    r6 = r1
                    r3 = r6
                    r3 &= 1
                    r3 <<= 3
                    r2 = T ll
                    r2 += r3
                    r2 = *(u64 *)(r2 +0)
                    callx r2
                    exit
                {A_B}
                .data T .rodata: a, b
                "
            ),
        )
        .runs(&[(0, 0), (1, 101)])
        .into(),
    ]
}
