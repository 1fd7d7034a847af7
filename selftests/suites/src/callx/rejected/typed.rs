//! Data whose types say that it does not point to functions, and types that are too expensive.

use bpf_object::BtfUse;

use crate::Case;
use crate::builder::{errno, rejects};
use crate::callx::shape::{VALUE_TYPE, typed_by};

pub(super) fn cases() -> Vec<Case> {
    vec![
        rejects(
            "callx/typed_integer",
            "a number of 64 bits that is the offset of a function",
            VALUE_TYPE,
        )
        .btf(BtfUse::Never)
        .adjust(|plan| typed_by(plan, |btf| btf.int("long", 8, false)))
        .errno(errno::EACCES)
        .log("R2 has type scalar, expected func")
        .into(),
        rejects("callx/typed_pointer_to_data", "a pointer to something else", VALUE_TYPE)
            .btf(BtfUse::Never)
            .adjust(|plan| {
                typed_by(plan, |btf| {
                    let int = btf.int("int", 4, true);
                    btf.pointer(int)
                });
            })
            .errno(errno::EACCES)
            .log("R2 has type scalar, expected func")
            .into(),
        rejects(
            "callx/typed_by_unions_of_unions",
            "types that lead to a pointer in more ways than can be followed",
            VALUE_TYPE,
        )
        .btf(BtfUse::Never)
        .adjust(|plan| {
            typed_by(plan, |btf| {
                (0..12).fold(btf.pointer(0), |of, _| {
                    btf.union("", 8, &[("", of, 0), ("", of, 0), ("", of, 0), ("", of, 0)])
                })
            });
        })
        .errno(errno::E2BIG)
        .log("pointers to functions in data are too complex")
        .into(),
        rejects("callx/typed_too_deep", "a pointer in a struct in a struct, and so on", VALUE_TYPE)
            .btf(BtfUse::Never)
            .adjust(|plan| {
                typed_by(plan, |btf| {
                    (0..17).fold(btf.pointer(0), |of, _| btf.structure("", 8, &[("", of, 0)]))
                });
            })
            .errno(errno::E2BIG)
            .log("types of data are nested too deep")
            .into(),
    ]
}
