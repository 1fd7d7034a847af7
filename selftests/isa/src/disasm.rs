//! The kernel's disassembly, exactly as `kernel/bpf/disasm.c` prints it.
//!
//! Like the kernel's, it also takes slots that do not decode: reports show rejected programs too.

use crate::Insn;
use crate::helpers::helper_name;
use crate::opcode::*;

/// Prints the instruction at the start of `insns`, as `print_bpf_insn` does with `allow_ptr_leaks`
/// and without callbacks. `None` only if `insns` is empty.
///
/// A missing second slot of `ld_imm64` is treated as zero.
pub fn disassemble_one(insns: &[Insn]) -> Option<String> {
    let insn = insns.first()?;
    Some(match insn.code & CLASS_MASK {
        ALU | ALU64 => alu(insn),
        STX => store_reg(insn),
        ST => store(insn),
        LDX => load(insn),
        LD => load_wide(insn, insns.get(1)),
        _ => jump(insn),
    })
}

/// Prints a whole program, one line per instruction, prefixed with its slot: `  3: (95) exit`.
pub fn disassemble(insns: &[Insn]) -> String {
    let mut out = String::new();
    let mut slot = 0;
    while let Some(line) = disassemble_one(&insns[slot..]) {
        out.push_str(&format!("{slot:4}: {line}\n"));
        let wide = insns[slot].code == LD_IMM64 && slot + 1 < insns.len();
        slot += if wide { 2 } else { 1 };
    }
    out
}

fn alu_string(code: u8) -> &'static str {
    match code & OP_MASK {
        ADD => "+=",
        SUB => "-=",
        MUL => "*=",
        DIV => "/=",
        OR => "|=",
        AND => "&=",
        LSH => "<<=",
        RSH => ">>=",
        NEG => "neg",
        MOD => "%=",
        XOR => "^=",
        MOV => "=",
        ARSH => "s>>=",
        END => "endian",
        _ => NULL,
    }
}

/// What the kernel's `vsnprintf` prints for the null pointers in the tables of `disasm.c`.
const NULL: &str = "(null)";

fn size_string(code: u8) -> &'static str {
    match code & SIZE_MASK {
        W => "u32",
        H => "u16",
        B => "u8",
        _ => "u64",
    }
}

fn signed_size_string(code: u8) -> &'static str {
    match code & SIZE_MASK {
        W => "s32",
        H => "s16",
        _ => "s8",
    }
}

fn jump_string(code: u8) -> &'static str {
    match code & OP_MASK {
        JA => "jmp",
        JEQ => "==",
        JGT => ">",
        JLT => "<",
        JGE => ">=",
        JLE => "<=",
        JSET => "&",
        JNE => "!=",
        JSGT => "s>",
        JSLT => "s<",
        JSGE => "s>=",
        JSLE => "s<=",
        CALL => "call",
        EXIT => "exit",
        _ => NULL,
    }
}

fn alu(insn: &Insn) -> String {
    let &Insn { code, dst, src, off, imm } = insn;
    let narrow = code & CLASS_MASK == ALU;
    let letter = if narrow { 'w' } else { 'r' };
    let by_register = code & SOURCE_MASK == X;
    let op = code & OP_MASK;
    if op == END {
        let name = match (narrow, by_register) {
            (false, _) => "bswap",
            (true, true) => "be",
            (true, false) => "le",
        };
        return format!("({code:02x}) r{dst} = {name}{imm} r{dst}");
    }
    if op == NEG {
        return format!("({code:02x}) {letter}{dst} = -{letter}{dst}");
    }
    if code == ALU64 | MOV | X && off == ADDR_SPACE_CAST {
        let imm = imm.cast_unsigned();
        let (to, from) = (imm >> 16, imm & 0xffff);
        return format!("({code:02x}) r{dst} = addr_space_cast(r{src}, {to}, {from})");
    }
    if code == ALU64 | MOV | X && off == -1 {
        return format!("({code:02x}) r{dst} = &(void __percpu *)(r{src})");
    }
    let string = match (op, off) {
        (DIV, 1) => "s/=",
        (MOD, 1) => "s%=",
        _ => alu_string(code),
    };
    if !by_register {
        return format!("({code:02x}) {letter}{dst} {string} {imm}");
    }
    let extension = match (op, off) {
        (MOV, 8) => "(s8)",
        (MOV, 16) => "(s16)",
        (MOV, 32) => "(s32)",
        _ => "",
    };
    format!("({code:02x}) {letter}{dst} {string} {extension}{letter}{src}")
}

fn store_reg(insn: &Insn) -> String {
    /// `BPF_PROBE_ATOMIC`, internal to the kernel.
    const PROBE_ATOMIC: u8 = 0xe0;
    let &Insn { code, dst, src, off, imm } = insn;
    let size = size_string(code);
    let probe = match code & MODE_MASK {
        MEM => return format!("({code:02x}) *({size} *)(r{dst} {off:+}) = r{src}"),
        ATOMIC => "",
        PROBE_ATOMIC => "probe ",
        _ => return format!("BUG_{code:02x}"),
    };
    let wide = if code & SIZE_MASK == DW { "64" } else { "" };
    let place = format!("({size} *)(r{dst} {off:+})");
    let fetch =
        |name: &str| format!("({code:02x}) {probe}r{src} = atomic{wide}_{name}({place}, r{src})");
    match imm {
        LOAD_ACQ => {
            return format!(
                "({code:02x}) {probe}r{dst} = load_acquire(({size} *)(r{src} {off:+}))"
            );
        }
        STORE_REL => return format!("({code:02x}) {probe}store_release({place}, r{src})"),
        CMPXCHG => {
            return format!("({code:02x}) {probe}r0 = atomic{wide}_cmpxchg({place}, r0, r{src})");
        }
        XCHG => return fetch("xchg"),
        _ => {}
    }
    let Ok(low) = u8::try_from(imm) else {
        return format!("BUG_{code:02x}");
    };
    let name = match low & OP_MASK {
        ADD => "fetch_add",
        AND => "fetch_and",
        OR => "fetch_or",
        XOR => "fetch_xor",
        _ => return format!("BUG_{code:02x}"),
    };
    match low & !OP_MASK {
        0 => format!("({code:02x}) {probe}lock *{place} {} r{src}", alu_string(low)),
        1 => fetch(name),
        _ => format!("BUG_{code:02x}"),
    }
}

fn store(insn: &Insn) -> String {
    /// `BPF_NOSPEC`, internal to the kernel.
    const NOSPEC: u8 = 0xc0;
    let &Insn { code, dst, off, imm, .. } = insn;
    match code & MODE_MASK {
        MEM => format!("({code:02x}) *({} *)(r{dst} {off:+}) = {imm}", size_string(code)),
        NOSPEC => format!("({code:02x}) nospec"),
        _ => format!("BUG_st_{code:02x}"),
    }
}

fn load(insn: &Insn) -> String {
    let &Insn { code, dst, src, off, .. } = insn;
    let size = match (code & MODE_MASK, code & SIZE_MASK) {
        (MEM, _) => size_string(code),
        (MEMSX, W | H | B) => signed_size_string(code),
        _ => return format!("BUG_ldx_{code:02x}"),
    };
    format!("({code:02x}) r{dst} = *({size} *)(r{src} {off:+})")
}

fn load_wide(insn: &Insn, next: Option<&Insn>) -> String {
    let &Insn { code, dst, src, imm, .. } = insn;
    match (code & MODE_MASK, code & SIZE_MASK) {
        (ABS, _) => format!("({code:02x}) r0 = *({} *)skb[{imm}]", size_string(code)),
        (IND, _) => format!("({code:02x}) r0 = *({} *)skb[r{src} + {imm}]", size_string(code)),
        (IMM, DW) => {
            let high = next.map_or(0, |next| next.imm.cast_unsigned());
            let value = u64::from(high) << 32 | u64::from(imm.cast_unsigned());
            format!("({code:02x}) r{dst} = {value:#x}")
        }
        _ => format!("BUG_ld_{code:02x}"),
    }
}

fn jump(insn: &Insn) -> String {
    const JA_SHORT: u8 = JMP | JA;
    const JA_LONG: u8 = JMP32 | JA;
    const EXIT_CODE: u8 = JMP | EXIT;
    const MAY_GOTO: u8 = JMP | JCOND;
    let &Insn { code, dst, src, off, imm } = insn;
    // Kernels without callx print any register source as a helper call; ours print the register.
    if code == CALLX {
        return format!("({code:02x}) callx r{dst}");
    }
    if code & OP_MASK == CALL {
        return match src {
            PSEUDO_CALL => format!("({code:02x}) call pc{imm:+}"),
            PSEUDO_KFUNC_CALL => format!("({code:02x}) call kernel-function#{imm}"),
            0 => format!("({code:02x}) call {}#{imm}", helper_name(imm).unwrap_or("unknown")),
            _ => format!("({code:02x}) call unknown#{imm}"),
        };
    }
    let letter = if code & CLASS_MASK == JMP32 { 'w' } else { 'r' };
    let cond = jump_string(code);
    match code {
        JA_SHORT => format!("({code:02x}) goto pc{off:+}"),
        JA_LONG => format!("({code:02x}) gotol pc{imm:+}"),
        GOTOX => format!("({code:02x}) gotox r{dst}"),
        EXIT_CODE => format!("({code:02x}) exit"),
        MAY_GOTO if src == 0 => format!("({code:02x}) may_goto pc{off:+}"),
        _ if code & SOURCE_MASK == X => {
            format!("({code:02x}) if {letter}{dst} {cond} {letter}{src} goto pc{off:+}")
        }
        _ => format!(
            "({code:02x}) if {letter}{dst} {cond} {:#x} goto pc{off:+}",
            imm.cast_unsigned()
        ),
    }
}
