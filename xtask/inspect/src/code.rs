//! Machine code in words: disassembled, with the names of what it calls and jumps to.

use bpf_object::ProgramPlan;
use bpf_wire::ProgramLine;
use iced_x86::{
    Decoder, DecoderOptions, FlowControl, Formatter, Instruction, NasmFormatter, SymbolResolver,
    SymbolResult,
};

use super::image::{ProgramImage, slot_of};
use super::symbols::Symbols;

/// A function of a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) address: u64,
    /// Address and text of each instruction.
    pub(super) code: Vec<(u64, String)>,
}

/// The functions of a program, in the order of the image; none where the kernel hands none out.
pub(super) fn functions(
    image: &ProgramImage,
    program: &ProgramPlan,
    symbols: &Symbols,
) -> Vec<Function> {
    let names = names(image, program);
    let resolver = || Resolver {
        functions: names
            .iter()
            .zip(&image.functions)
            .map(|(name, (start, len))| (*start, u64::from(*len), name.clone()))
            .collect(),
        symbols: symbols.clone(),
    };
    let mut formatter = NasmFormatter::with_options(Some(Box::new(resolver())), None);
    let options = formatter.options_mut();
    options.set_space_after_operand_separator(true);
    options.set_show_branch_size(false);
    options.set_uppercase_hex(false);
    options.set_hex_prefix("0x");
    options.set_hex_suffix("");
    let mut rest = image.jited.as_slice();
    let mut functions = Vec::new();
    for (name, (address, len)) in names.iter().zip(&image.functions) {
        let (bytes, others) = rest.split_at((*len as usize).min(rest.len()));
        rest = others;
        let decoder = Decoder::with_ip(64, bytes, *address, DecoderOptions::NONE);
        let line = |instruction: Instruction| {
            let mut text = String::new();
            formatter.format(&instruction, &mut text);
            (instruction.ip(), text)
        };
        let code = decoder.into_iter().map(line).collect();
        functions.push(Function { name: name.clone(), address: *address, code });
    }
    functions
}

/// The function's name by the line that starts where it does; without lines by its place, unless the
/// verifier has removed or added functions.
fn names(image: &ProgramImage, program: &ProgramPlan) -> Vec<String> {
    let known = image.functions.len() == program.functions.len();
    let name = |(index, (address, _)): (usize, &(u64, u32))| {
        let line = |line: &&ProgramLine| line.jited == *address;
        let slot = image.lines.iter().find(line).and_then(slot_of);
        let by_slot = program.functions.iter().find(|function| Some(function.slot) == slot);
        let by_place = program.functions.get(index).filter(|_| known && image.lines.is_empty());
        match by_slot.or(by_place) {
            Some(function) => function.name.clone(),
            None => format!("function {index}"),
        }
    };
    image.functions.iter().enumerate().map(name).collect()
}

/// Names for the formatter.
struct Resolver {
    /// Start, length and name.
    functions: Vec<(u64, u64, String)>,
    symbols: Symbols,
}

impl SymbolResolver for Resolver {
    fn symbol(
        &mut self,
        instruction: &Instruction,
        _operand: u32,
        _instruction_operand: Option<u32>,
        address: u64,
        _address_size: u32,
    ) -> Option<SymbolResult<'_>> {
        let branches = matches!(
            instruction.flow_control(),
            FlowControl::Call | FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch
        );
        let own = self
            .functions
            .iter()
            .find(|(start, len, _)| address >= *start && address - start < *len);
        let name = match own {
            Some((start, _, name)) if branches && address > *start => {
                format!("{name}+{:#x}", address - start)
            }
            Some((start, _, name)) if address == *start => name.clone(),
            _ if branches => self.symbols.around(address)?,
            // A number that happens to lie in the kernel is not its address.
            _ => self.symbols.at(address)?.to_owned(),
        };
        Some(SymbolResult::with_string(address, name))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_have_the_names_of_their_targets() {
        let plan = bpf_object::compile(".prog main syscall\ncall f\nexit\n.func f\nexit").unwrap();
        // call f; jmp to the call; ret | ret
        let main = [0xe8, 0xfb, 0x0f, 0, 0, 0xeb, 0xf9, 0xc3];
        let image = ProgramImage {
            jited: [&main[..], &[0xc3]].concat(),
            functions: vec![(0x1000, 8), (0x2000, 1)],
            ..ProgramImage::default()
        };
        let functions = functions(&image, &plan.programs[0], &Symbols::default());
        let text: Vec<&str> = functions[0].code.iter().map(|(_, text)| text.as_str()).collect();
        assert_eq!(text, ["call f", "jmp main", "ret"]);
        assert_eq!((functions[1].name.as_str(), functions[1].code.len()), ("f", 1));
    }

    #[test]
    fn calls_into_the_kernel_have_names() {
        let plan = bpf_object::compile("exit").unwrap();
        let start = 0xffff_ffff_c000_0000_u64;
        let target = 0xffff_ffff_c000_0005_u64 + 0x10;
        let image = ProgramImage {
            jited: vec![0xe8, 0x14, 0, 0, 0],
            functions: vec![(start, 5)],
            ..ProgramImage::default()
        };
        let symbols = [(target, "array_map_lookup_elem".to_owned())].into_iter().collect();
        let functions = functions(&image, &plan.programs[0], &symbols);
        assert_eq!(functions[0].code[0].1, "call array_map_lookup_elem+0x4");
    }
}
