//! Lays out one program: the entry, then its subprograms, with every reference resolved.
//!
//! The order is that of `bpf_object__reloc_code` and `bpf_object__append_subprog_code` in
//! `tools/lib/bpf/libbpf.c`: a subprogram is appended at the first reference to it, and its own
//! references are followed before the caller's next ones. Functions that only data points to come
//! last, in the order of the pointers.

use std::collections::HashMap;

use bpf_isa::Insn;
use bpf_isa::opcode::{
    CALL_IMM, CALLX, LD_IMM64, PSEUDO_CALL, PSEUDO_FUNC, PSEUDO_MAP_FD, PSEUDO_MAP_VALUE,
};

use goblin::elf::sym::{STB_WEAK, STT_NOTYPE};

use super::data::{Used, is_data};
use super::error::{LinkError, Location};
use super::functions::{self, Function};
use super::tables::Owner;
use super::{Globals, Linker, MAX_FUNCTIONS, MAX_SLOTS, is_jump_tables, slots};
use crate::names::{R_BPF_64_32, R_BPF_64_64};
use crate::plan::{FunctionStart, MapRef};
use crate::read::{SectionRelocation, Symbol, SymbolPlace};

/// Helpers that no kernel has: what calls of weak symbols become, plus the symbol's number
/// (`POISON_CALL_KFUNC_BASE`).
const POISON: i32 = 2_002_000_000;

/// A program that is being laid out.
pub(super) struct Layout<'l, 'o> {
    linker: &'l mut Linker<'o>,
    insns: Vec<Insn>,
    /// Numbers of the functions in layout order.
    order: Vec<usize>,
    starts: Vec<FunctionStart>,
    map_refs: Vec<MapRef>,
    /// First slot in the program, by function number.
    placed: HashMap<usize, usize>,
    /// The functions being followed, innermost last.
    open: Vec<Open>,
    /// The data sections that the program uses, in order of first reference.
    data: Vec<Used>,
    /// Whether the kernel rejects or misinterprets the program without BTF.
    needs_btf: bool,
}

/// A finished layout.
pub(super) struct LaidOut {
    pub(super) insns: Vec<Insn>,
    /// Numbers of the functions in order.
    pub(super) order: Vec<usize>,
    pub(super) starts: Vec<FunctionStart>,
    pub(super) map_refs: Vec<MapRef>,
    pub(super) needs_btf: bool,
}

/// A function whose references are being followed.
#[derive(Clone, Copy)]
struct Open {
    function: usize,
    /// Its first slot in the program.
    start: usize,
    /// The next slot to look at, counted from the function's start.
    next: usize,
}

impl<'l, 'o> Layout<'l, 'o> {
    pub(super) fn new(linker: &'l mut Linker<'o>, entry: usize) -> Result<Self, LinkError> {
        let mut layout = Self {
            linker,
            insns: Vec::new(),
            order: Vec::new(),
            starts: Vec::new(),
            map_refs: Vec::new(),
            placed: HashMap::new(),
            open: Vec::new(),
            data: Vec::new(),
            needs_btf: false,
        };
        layout.place(entry)?;
        Ok(layout)
    }

    pub(super) fn finish(self) -> LaidOut {
        let Self { insns, order, starts, mut map_refs, needs_btf, .. } = self;
        map_refs.sort_by_key(|reference| reference.slot);
        LaidOut { insns, order, starts, map_refs, needs_btf }
    }

    /// Follows all references, first those in code, then those in data.
    ///
    /// A program without `callx` cannot call what data points to, and the kernel does not look for
    /// pointers in its data: functions that only data points to are left out.
    pub(super) fn run(&mut self) -> Result<(), LinkError> {
        self.follow()?;
        if self.insns.iter().any(|insn| insn.code == CALLX) {
            let stay_global = self.linker.linking.globals == Globals::Global;
            // A newly placed function may use another section.
            let mut next = 0;
            while let Some(used) = self.data.get(next) {
                next += 1;
                // The kernel finds no functions in data that may change.
                let pointers = if used.read_only { used.pointers.clone() } else { Vec::new() };
                for pointer in pointers {
                    if stay_global && self.linker.functions[pointer.function].global {
                        continue;
                    }
                    self.needs_btf |= !self.placed.contains_key(&pointer.function);
                    let start = self.place(pointer.function)?;
                    if let Ok(at) = self.starts.binary_search_by_key(&start, |it| it.slot) {
                        self.starts[at].global = false;
                    }
                    self.follow()?;
                }
            }
        }
        for used in &self.data {
            used.fill(&self.placed, &mut self.linker.plan.maps);
        }
        Ok(())
    }

    /// Follows the references in code, with the explicit stack `open` instead of recursion.
    fn follow(&mut self) -> Result<(), LinkError> {
        while let Some(open) = self.open.last_mut() {
            let Open { function, start, next } = *open;
            if next >= self.linker.functions[function].len() {
                self.open.pop();
                continue;
            }
            let slot = start + next;
            let wide = self.insns[slot].code == LD_IMM64
                && next + 1 < self.linker.functions[function].len()
                && self.insns[slot + 1].code == 0;
            open.next += if wide { 2 } else { 1 };
            self.slot(Open { function, start, next }, wide)?;
        }
        Ok(())
    }

    /// First slot of a function in the program; appends the function if necessary.
    fn place(&mut self, function: usize) -> Result<usize, LinkError> {
        if let Some(&start) = self.placed.get(&function) {
            return Ok(start);
        }
        let start = self.insns.len();
        let found = &self.linker.functions[function];
        let budget = &mut self.linker.budget;
        let slots_left = budget.slots.checked_sub(found.len());
        let functions_left = budget.functions.checked_sub(1);
        let (Some(slots_left), Some(functions_left)) = (slots_left, functions_left) else {
            return Err(self.location(function, 0).error(format!(
                "the programs of the object together have more than {MAX_SLOTS} slots or \
                 {MAX_FUNCTIONS} functions"
            )));
        };
        (budget.slots, budget.functions) = (slots_left, functions_left);
        let section = self.linker.object.sections[found.section].name;
        if let Some(offset) = self.linker.types.first_core(section, found.start, found.code.len()) {
            return Err(Location::new(section, found.name, offset as u64).error(
                "a relocation of CO-RE, which depends on the types of the kernel; compile without \
                 `preserve_access_index`",
            ));
        }
        self.insns.extend(slots(found.code));
        self.order.push(function);
        self.starts.push(FunctionStart {
            name: found.name.to_owned(),
            slot: start,
            global: found.global,
        });
        self.placed.insert(function, start);
        self.open.push(Open { function, start, next: 0 });
        Ok(start)
    }

    fn location(&self, function: usize, slot: usize) -> Location {
        let Function { name, section, start, .. } = self.linker.functions[function];
        let offset = (start + slot * Insn::SIZE) as u64;
        Location::new(self.linker.object.sections[section].name, name, offset)
    }

    /// The relocation of a slot.
    fn relocation(&self, at: Open) -> Result<Option<SectionRelocation>, LinkError> {
        let function = &self.linker.functions[at.function];
        let relocations = &self.linker.object.sections[function.section].relocations;
        let start = (function.start + at.next * Insn::SIZE) as u64;
        let end = start + Insn::SIZE as u64;
        let first = relocations.partition_point(|relocation| relocation.offset < start);
        let mut found =
            relocations[first..].iter().take_while(|relocation| relocation.offset < end);
        match (found.next(), found.next()) {
            (None, _) => Ok(None),
            (Some(relocation), None) if relocation.offset == start => Ok(Some(*relocation)),
            _ => Err(self
                .location(at.function, at.next)
                .error("relocations have to apply to an instruction's start, one to each at most")),
        }
    }

    fn slot(&mut self, at: Open, wide: bool) -> Result<(), LinkError> {
        let slot = at.start + at.next;
        let insn = self.insns[slot];
        let Some(relocation) = self.relocation(at)? else {
            if insn.code == CALL_IMM && insn.src == PSEUDO_CALL {
                self.near_call(at, insn)?;
            }
            return Ok(());
        };
        let object = self.linker.object;
        let symbol = &object.symbols[relocation.symbol];
        let location = self.location(at.function, at.next);
        let SymbolPlace::Section(section) = symbol.place else {
            return self.undefined(at, wide, relocation);
        };
        match (relocation.relocation_type, insn.code) {
            (R_BPF_64_32, CALL_IMM) if insn.src == PSEUDO_CALL => {
                self.call(at, insn, section, symbol)
            }
            (R_BPF_64_64, LD_IMM64) if wide => self.address(at, insn, section, relocation.symbol),
            (kind, code) => Err(location.error(format!(
                "a relocation of type {kind} does not fit the opcode {code:02x}; R_BPF_64_32 (10) \
                 fits a call of a function, R_BPF_64_64 (1) a wide immediate"
            ))),
        }
    }

    /// A reference to a symbol that the object does not define. A weak one is 0, and a call of it
    /// one of no function, which the kernel refuses where it is reached, as
    /// `bpf_program__poison_kfunc_call()` of `tools/lib/bpf/libbpf.c` has it.
    fn undefined(
        &mut self,
        at: Open,
        wide: bool,
        relocation: SectionRelocation,
    ) -> Result<(), LinkError> {
        let Symbol { name, bind, .. } = self.linker.object.symbols[relocation.symbol];
        let weak = bind == STB_WEAK && self.linker.linking.weak_zero;
        let slot = at.start + at.next;
        let insn = &mut self.insns[slot];
        match (relocation.relocation_type, insn.code) {
            (R_BPF_64_64, LD_IMM64) if wide && weak && !self.linker.types.is_of_kconfig(name) => {
                (insn.src, insn.imm) = (0, 0);
                self.insns[slot + 1].imm = 0;
                Ok(())
            }
            (R_BPF_64_32, CALL_IMM) if weak => {
                let number = i32::try_from(relocation.symbol).unwrap_or(0);
                *insn = Insn { code: CALL_IMM, imm: POISON + number, ..Insn::default() };
                let program = &self.starts[0].name;
                self.linker.notes.push(format!(
                    "{program} calls the weak symbol {name}, which is not there: the kernel \
                     refuses this as `unknown#{}` if the verifier comes to it",
                    POISON + number
                ));
                Ok(())
            }
            _ => Err(self.location(at.function, at.next).error(format!(
                "the symbol `{name}` is not defined in this object; define it here. Symbols of \
                 the kernel (`__ksym`, `__kconfig`) cannot be linked without one"
            ))),
        }
    }

    /// A call without relocation: to a function of the same section.
    fn near_call(&mut self, at: Open, insn: Insn) -> Result<(), LinkError> {
        let caller = &self.linker.functions[at.function];
        let target = (caller.first_slot() + at.next) as i128 + i128::from(insn.imm) + 1;
        let callee = self.linker.functions.at(caller.section, target);
        if callee == Some(at.function) {
            // Inside its own function: the distance stays the same, whatever the target.
            return Ok(());
        }
        let section = caller.section;
        self.link_call(at, section, callee, target)
    }

    fn call(
        &mut self,
        at: Open,
        insn: Insn,
        section: usize,
        symbol: &Symbol<'_>,
    ) -> Result<(), LinkError> {
        let size = Insn::SIZE as u64;
        if !symbol.value.is_multiple_of(size) {
            return Err(self.location(at.function, at.next).error(format!(
                "the symbol `{}` at {:#x} is no instruction's offset",
                symbol.name, symbol.value
            )));
        }
        let target = i128::from(symbol.value / size) + i128::from(insn.imm) + 1;
        let callee = self.linker.functions.at(section, target);
        self.link_call(at, section, callee, target)
    }

    fn link_call(
        &mut self,
        at: Open,
        section: usize,
        callee: Option<usize>,
        target: i128,
    ) -> Result<(), LinkError> {
        let start = self.callee(at, section, callee, target)?;
        self.insns[at.start + at.next].imm = self.distance(at, start)?;
        Ok(())
    }

    /// First slot in the program of a function that is called or whose address is taken; `target`
    /// is the referenced slot in the section.
    fn callee(
        &mut self,
        at: Open,
        section: usize,
        callee: Option<usize>,
        target: i128,
    ) -> Result<usize, LinkError> {
        let name = self.linker.object.sections[section].name;
        let location = self.location(at.function, at.next);
        let Some(callee) = callee else {
            if let Some(error) = self.linker.functions.malformed_at(section, target) {
                return Err(error.clone());
            }
            if let Some(label) = self.label_at(section, target) {
                return Err(location.error(functions::label(label)));
            }
            return Err(location.error(format!(
                "no function has slot {target} of section `{name}`, which is referred to"
            )));
        };
        let function = &self.linker.functions[callee];
        if function.first_slot() as i128 != target {
            return Err(location.error(format!(
                "slot {target} of section `{name}` is in the middle of `{}`; functions are \
                 referred to by their start",
                function.name
            )));
        }
        if !self.linker.functions.is_text(section) {
            return Err(location.error(format!(
                "`{}` is a program, in section `{name}`; only functions in `.text` can be called",
                function.name
            )));
        }
        self.place(callee)
    }

    /// The name of a label at a slot of a section.
    fn label_at(&self, section: usize, slot: i128) -> Option<&'o str> {
        let at = |symbol: &&Symbol<'_>| {
            symbol.symbol_type == STT_NOTYPE
                && symbol.place == SymbolPlace::Section(section)
                && i128::from(symbol.value) == slot * Insn::SIZE as i128
        };
        let found = self.linker.object.symbols.iter().find(at)?;
        (!found.name.is_empty()).then_some(found.name)
    }

    /// The immediate of a call at a slot.
    fn distance(&self, at: Open, start: usize) -> Result<i32, LinkError> {
        let slot = at.start + at.next;
        let distance = start as i128 - slot as i128 - 1;
        i32::try_from(distance).map_err(|_| {
            self.location(at.function, at.next)
                .error(format!("the distance of {distance} slots does not fit 32 bits"))
        })
    }

    /// A wide immediate with a relocation.
    fn address(
        &mut self,
        at: Open,
        insn: Insn,
        section: usize,
        symbol: usize,
    ) -> Result<(), LinkError> {
        let object = self.linker.object;
        let name = object.sections[section].name;
        let found = &object.symbols[symbol];
        if self.linker.functions.is_text(section) {
            return self.function_address(at, insn, section, found);
        }
        let location = self.location(at.function, at.next);
        let (map, source, offset) = if is_jump_tables(name) {
            let (table, offset) = self.linker.tables.find(object, symbol, i64::from(insn.imm))?;
            let owner = Owner {
                program: self.linker.plan.programs.len(),
                function: at.function,
                section_slot: self.linker.functions[at.function].first_slot(),
                program_slot: at.start,
            };
            let maps = &mut self.linker.plan.maps;
            let map = self.linker.tables.map(object, table, owner, maps)?;
            let source = if insn.src == PSEUDO_MAP_FD { PSEUDO_MAP_FD } else { PSEUDO_MAP_VALUE };
            (map, source, offset)
        } else if self.linker.maps.is_section(section) {
            let map = self.linker.maps.at(section, found.value).ok_or_else(|| {
                location.clone().error(format!(
                    "no map is defined at offset {:#x} of section `{name}`",
                    found.value
                ))
            })??;
            let value = insn.src == PSEUDO_MAP_VALUE;
            let source = if value { PSEUDO_MAP_VALUE } else { PSEUDO_MAP_FD };
            (map, source, i64::from(insn.imm))
        } else if is_data(&object.sections[section]) {
            let map = self.data_map(section)?;
            let source = if insn.src == PSEUDO_MAP_FD { PSEUDO_MAP_FD } else { PSEUDO_MAP_VALUE };
            (
                map,
                source,
                i64::try_from(found.value).unwrap_or(i64::MAX).saturating_add(insn.imm.into()),
            )
        } else {
            return Err(location.error(format!(
                "the symbol `{}` lies in section `{name}`; only functions in `.text`, jump tables, \
                 maps and data in `.rodata…`, `.data.rel.ro…`, `.data…` and `.bss…` can be \
                 referred to",
                found.name
            )));
        };
        let offset = i32::try_from(offset)
            .map_err(|_| location.error(format!("the offset {offset:#x} does not fit 32 bits")))?;
        let slot = at.start + at.next;
        self.insns[slot].src = source;
        self.insns[slot].imm = 0;
        self.insns[slot + 1].imm = offset;
        self.map_refs.push(MapRef { slot, map });
        Ok(())
    }

    /// Index of the map for a data section.
    fn data_map(&mut self, section: usize) -> Result<usize, LinkError> {
        if let Some(used) = self.data.iter().find(|used| used.section == section) {
            return Ok(used.map);
        }
        let Linker { object, functions, data, types, plan, notes, .. } = &mut *self.linker;
        let used = data.used(object, functions, section, types, &mut plan.maps, notes)?;
        let map = used.map;
        self.data.push(used);
        Ok(map)
    }

    fn function_address(
        &mut self,
        at: Open,
        insn: Insn,
        section: usize,
        symbol: &Symbol<'_>,
    ) -> Result<(), LinkError> {
        let bytes = i128::from(symbol.value) + i128::from(insn.imm);
        let size = Insn::SIZE as i128;
        if bytes % size != 0 {
            return Err(self
                .location(at.function, at.next)
                .error(format!("the address {bytes:#x} is no instruction's offset")));
        }
        let target = bytes / size;
        let callee = self.linker.functions.at(section, target);
        let start = self.callee(at, section, callee, target)?;
        let distance = self.distance(at, start)?;
        let slot = at.start + at.next;
        self.needs_btf = true;
        self.insns[slot].src = PSEUDO_FUNC;
        self.insns[slot].imm = distance;
        self.insns[slot + 1].imm = 0;
        Ok(())
    }
}
