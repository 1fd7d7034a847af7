//! BTF of functions and maps: one type for each function of the object, one record for each in a
//! program; a type for each value with a lock.

use std::collections::HashMap;

use crate::btf::{Btf, Linkage};
use crate::plan::{FuncInfo, FunctionStart, MapTypes};

/// The types of what was described so far.
#[derive(Default)]
pub(super) struct Types {
    btf: Btf,
    common: Option<Common>,
    /// Type ids by what they are made of.
    functions: HashMap<(String, bool), u32>,
}

/// Bytes of `int`.
const INT_SIZE: u32 = 4;

/// Types that all functions are made of.
#[derive(Clone, Copy)]
struct Common {
    int: u32,
    /// `int (void)`: all that the kernel asks of a static function is whether it returns a number
    /// (`check_btf_func()` in `kernel/bpf/check_btf.c`).
    static_proto: u32,
    /// `int (unsigned long)`: a global function is verified against its prototype.
    global_proto: u32,
}

impl Types {
    /// Describes the functions of a program, the entry first.
    pub(super) fn of_program(&mut self, starts: &[FunctionStart]) -> Vec<FuncInfo> {
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

    /// Describes a map with a `struct bpf_spin_lock` in its values.
    pub(super) fn of_locked_map(&mut self, key_size: u32, value_size: u32, lock: u32) -> MapTypes {
        let common = self.common();
        let btf = &mut self.btf;
        // The kernel wants a 32-bit integer for an array's key, and any type of its size otherwise
        // (`array_map_check_btf()`, `map_check_btf()`).
        let key = match key_size {
            INT_SIZE => common.int,
            size => btf.structure("key", size, &[]),
        };
        let spin_lock = btf.structure("bpf_spin_lock", INT_SIZE, &[("val", common.int, 0)]);
        let value = btf.structure("value", value_size, &[("lock", spin_lock, lock)]);
        MapTypes { key, value }
    }

    /// The BTF, empty if it describes nothing.
    pub(super) fn finish(self) -> Vec<u8> {
        if self.common.is_some() { self.btf.finish() } else { Vec::new() }
    }

    fn common(&mut self) -> Common {
        let btf = &mut self.btf;
        *self.common.get_or_insert_with(|| {
            let int = btf.int("int", INT_SIZE, true);
            let long = btf.int("unsigned long", 8, false);
            Common {
                int,
                static_proto: btf.func_proto(int, &[]),
                global_proto: btf.func_proto(int, &[("a", long)]),
            }
        })
    }
}
