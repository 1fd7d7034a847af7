//! BTF of functions: one type for each function of the object, one record for each in a program.

use std::collections::HashMap;

use crate::btf::{Btf, Linkage};
use crate::plan::{FuncInfo, FunctionStart};

/// The types of the functions that were described so far.
#[derive(Default)]
pub(super) struct FunctionTypes {
    btf: Btf,
    common: Option<Common>,
    /// Type ids by what they are made of.
    functions: HashMap<(String, bool), u32>,
}

/// Types that all functions are made of.
#[derive(Clone, Copy)]
struct Common {
    /// `int (void)`: all that the kernel asks of a static function is whether it returns a number
    /// (`check_btf_func()` in `kernel/bpf/check_btf.c`).
    static_proto: u32,
    /// `int (unsigned long)`: a global function is verified against its prototype.
    global_proto: u32,
}

impl FunctionTypes {
    /// Describes the functions of a program, the entry first.
    pub(super) fn of(&mut self, starts: &[FunctionStart]) -> Vec<FuncInfo> {
        let common = self.common();
        let info = starts.iter().map(|start| {
            let global = start.global;
            let btf = &mut self.btf;
            let entry = start.slot == 0;
            let type_id =
                *self.functions.entry((start.name.clone(), global)).or_insert_with(|| {
                    let linkage = if global { Linkage::Global } else { Linkage::Static };
                    let proto =
                        if global && !entry { common.global_proto } else { common.static_proto };
                    btf.func(&start.name, proto, linkage)
                });
            // A program has far fewer slots than 32 bits can count.
            FuncInfo { slot: u32::try_from(start.slot).unwrap_or(u32::MAX), type_id }
        });
        info.collect()
    }

    /// The BTF, empty if it describes nothing.
    pub(super) fn finish(self) -> Vec<u8> {
        if self.common.is_some() { self.btf.finish() } else { Vec::new() }
    }

    fn common(&mut self) -> Common {
        let btf = &mut self.btf;
        *self.common.get_or_insert_with(|| {
            let int = btf.int("int", 4, true);
            let long = btf.int("unsigned long", 8, false);
            Common {
                static_proto: btf.func_proto(int, &[]),
                global_proto: btf.func_proto(int, &[("a", long)]),
            }
        })
    }
}
