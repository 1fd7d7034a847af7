//! What the register of an indirect call must contain.

use crate::Case;
use crate::builder::{errno, rejects};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = wrong_types();
    cases.extend([
        rejects("callx/unread_register", "the register holds nothing", "callx r2\nexit")
            .errno(errno::EACCES)
            .log("R2 !read_ok")
            .into(),
        rejects(
            "callx/register_gone_after_call",
            "r1-r5 are gone after a call, the one that held the function too",
            "r2 = f ll\ncallx r2\ncallx r2\nexit\n.func f\nr0 = 0\nexit",
        )
        .errno(errno::EACCES)
        .log("R2 !read_ok")
        .into(),
        rejects(
            "callx/callee_saved_register_unread",
            "the caller's r6 is not the callee's",
            "r6 = f ll\ncallx r6\nexit\n.func f\ncallx r6\nexit",
        )
        .errno(errno::EACCES)
        .log("R6 !read_ok")
        .into(),
        rejects(
            "callx/gotox_to_function",
            "a function's address is no target of an indirect jump",
            format!("r2 = f ll\n{JUMP}\ngotox r2\n.func f\nr0 = 0\nexit"),
        )
        .log("R2 has type func, expected PTR_TO_INSN")
        .into(),
    ]);
    cases
}

/// A jump through a table, on a separate path, so that the program has a table.
const JUMP: &str = "
    r7 = *(u64 *)(r1 +0)
    if r7 != 0 goto on
    r3 = JT ll
    r3 = *(u64 *)(r3 +0)
    gotox r3
t:
    r0 = 0
    exit
.jumptable JT: t
on:
";

/// All register types that are not a function, by their names in the verifier.
fn wrong_types() -> Vec<Case> {
    let functions = ".func f\nr0 = 0\nexit\n";
    let map = ".map M hash key=4 value=8 entries=1\n";
    let look_up = "*(u32 *)(r10 -4) = 0\nr1 = map M ll\nr2 = r10\nr2 += -4\n\
                   call bpf_map_lookup_elem\n";
    [
        ("number", "scalar", "r2 = 5", ""),
        ("null", "scalar", "r2 = 0", ""),
        ("helper_id", "scalar", "r2 = 5\nr1 = 0", ""),
        ("unknown_number", "scalar", "r2 = *(u64 *)(r1 +0)", ""),
        ("context", "ctx", "r2 = r1", ""),
        ("stack", "fp", "r2 = r10", ""),
        ("map", "map_ptr", "r2 = map M ll", map),
        ("map_value", "map_value", "r2 = M ll", ".map M array key=4 value=8 entries=1\n"),
        ("data", "map_value", "r2 = T ll", ".data T .rodata: f\n"),
        ("jump_table", "map_value", "r2 = JT ll", ""),
        ("instruction", "insn", "r2 = JT ll\nr2 = *(u64 *)(r2 +0)", ""),
    ]
    .map(|(name, found, load, more)| {
        let table = if load.contains("JT") { JUMP } else { "" };
        rejects(
            format!("callx/register_holds_{name}"),
            "the register must hold a function",
            format!("{load}\n{table}\ncallx r2\nexit\n{functions}{more}"),
        )
        .errno(errno::EACCES)
        .log(format!("R2 has type {found}, expected func"))
        .into()
    })
    .into_iter()
    .chain([
        rejects(
            "callx/register_holds_map_value_or_null",
            "what a look-up gives is no function, checked for null or not",
            format!("{look_up}callx r0\nexit\n{functions}{map}"),
        )
        .errno(errno::EACCES)
        .log("R0 has type map_value_or_null, expected func")
        .into(),
        rejects(
            "callx/register_holds_content_of_map",
            "a number that a map holds is no function, whatever it is",
            format!(
                "{look_up}if r0 == 0 goto out\nr2 = *(u64 *)(r0 +0)\ncallx r2\nout:\nr0 = 0\nexit\n\
                 {functions}{map}"
            ),
        )
        .errno(errno::EACCES)
        .log("R2 has type scalar, expected func")
        .into(),
        rejects(
            "callx/register_holds_packet",
            "nor is a pointer to a packet",
            ".prog main xdp\nr2 = *(u32 *)(r1 +0)\ncallx r2\nexit\n.func f\nr0 = 0\nexit",
        )
        .errno(errno::EACCES)
        .log("R2 has type pkt, expected func")
        .into(),
    ])
    .collect()
}
