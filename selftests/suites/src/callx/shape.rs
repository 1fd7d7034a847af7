//! Program fragments shared by many cases, not the subject of any.

use std::fmt::Write as _;

use bpf_object::LoadPlan;
use bpf_object::btf::Btf;
use bpf_object::plan::MapTypes;

/// The kernel's `MAX_CALL_FRAMES` (`include/linux/bpf_verifier.h`), the entry function's included.
pub(super) const MAX_CALL_FRAMES: usize = 16;

/// The kernel's message for callbacks without the JIT.
pub(super) const NO_CALLBACKS: &str = "callbacks are not allowed in non-JITed programs";

/// Its message for tail calls in programs with functions without the JIT.
pub(super) const NO_TAIL_CALLS: &str = "mixing of tail_calls and bpf-to-bpf calls is not supported";

/// Loads the context's first word into r6, and into `register` the function `a` if it is 0,
/// otherwise `b`.
///
/// r1 stays the context. The two paths join at the label `go`, at the end.
pub(super) fn pick(register: &str) -> String {
    format!(
        "
            r6 = *(u64 *)(r1 +0)
            {register} = a ll
            if r6 == 0 goto go
            {register} = b ll
        go:
        "
    )
}

/// Loads the element of `table` selected by the context's first word, modulo `mask` + 1, into r2.
///
/// `shift` is the logarithm of the element size. r6 becomes the word, r3 is clobbered.
pub(super) fn element(table: &str, mask: u32, shift: u32) -> String {
    format!(
        "
            r6 = *(u64 *)(r1 +0)
            r3 = r6
            r3 &= {mask}
            r3 <<= {shift}
            r2 = {table} ll
            r2 += r3
            r2 = *(u64 *)(r2 +0)
        "
    )
}

/// A store at fp plus the register `offset`, whose value the verifier must know on every path.
///
/// Clobbers r3. In bounds from -512 to -8.
pub(super) fn store_at(offset: &str) -> String {
    format!(
        "
            r3 = r10
            r3 += {offset}
            *(u64 *)(r3 +0) = 1
        "
    )
}

/// A program of `frames` frames, including the entry function: each calls the next through r2 and
/// adds 1 to the result, the last returns 0. So the result is `frames - 1`.
pub(super) fn chain(frames: usize) -> String {
    let mut source = String::new();
    for frame in 1..frames {
        let _ = write!(
            source,
            "
                r2 = f{frame} ll
                callx r2
                r0 += 1
                exit
            .func f{frame}
            "
        );
    }
    source + "r0 = 0\nexit\n"
}

/// Calls the function loaded from `at` with the argument 7; before that, `body` computes with the
/// context's first word in r6. It may jump to `out`, which returns 0.
pub(super) fn selected(body: &str, at: &str) -> String {
    format!(
        "
            r6 = *(u64 *)(r1 +0)
            {body}
            r2 = *(u64 *)({at})
            r1 = 7
            callx r2
            exit
        out:
            r0 = 0
            exit
        "
    )
}

/// A table `T` of `count` elements of `size` bytes. Element n has, at `member`, a function that
/// returns its argument plus 100 n; all other words are a function that must not be given a number.
pub(super) fn elements(size: usize, member: usize, count: usize) -> String {
    let mut source = ".func wrong\nr0 = *(u64 *)(r1 +0)\nexit\n".to_owned();
    let mut words = Vec::new();
    for element in 0..count {
        let _ = write!(source, ".func good{element}\nr0 = r1\nr0 += {}\nexit\n", 100 * element);
        for word in 0..size / 8 {
            let right = word == member / 8;
            words.push(if right { format!("good{element}") } else { "wrong".to_owned() });
        }
    }
    let _ = writeln!(source, ".data T .rodata: {}", words.join(", "));
    source
}

/// Calls the target of T's only word, according to its type: it is the offset of f, which returns
/// 5.
pub(super) const VALUE_TYPE: &str = "
        r2 = T ll
        r2 = *(u64 *)(r2 +0)
        r3 = f ll
        callx r2
        exit
    .func f
        r0 = 5
        exit
    .data T .rodata: u64 56
";

/// Gives the value of the plan's map the last type that `make` adds.
pub(super) fn typed_by(plan: &mut LoadPlan, make: impl FnOnce(&mut Btf) -> u32) {
    let mut btf = Btf::default();
    let value = make(&mut btf);
    let key = btf.int("key", 4, true);
    plan.btf = btf.finish();
    for map in &mut plan.maps {
        map.types = Some(MapTypes { key, value });
    }
}
