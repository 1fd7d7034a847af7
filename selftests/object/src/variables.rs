//! Variables and context of programs by name.

use goblin::elf::sym::STT_OBJECT;

use crate::btf::kind;
use crate::btf_read::Types;
use crate::plan::{LoadPlan, MapElement};
use crate::read::{Object, SymbolPlace};

/// A range of bytes with a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name.
    pub name: String,
    /// Offset in bytes.
    pub offset: usize,
    /// Size in bytes.
    pub size: usize,
}

/// A variable of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// Name of its section, and of the map that the section becomes.
    pub section: String,
    /// Its place in the section.
    pub field: Field,
}

/// The variables of the object that have a size, in the order of its symbols.
pub(crate) fn variables(object: &Object<'_>) -> Vec<Variable> {
    let variable = |symbol: &crate::read::Symbol<'_>| {
        let SymbolPlace::Section(section) = symbol.place else { return None };
        let found = symbol.symbol_type == STT_OBJECT && symbol.size > 0;
        Some(Variable {
            section: object.sections[section].name.to_owned(),
            field: Field {
                name: symbol.name.to_owned(),
                offset: usize::try_from(symbol.value).ok()?,
                size: usize::try_from(symbol.size).ok()?,
            },
        })
        .filter(|_| found)
    };
    object.symbols.iter().filter_map(variable).collect()
}

impl LoadPlan {
    /// Gives a variable a value, in each map that its section has become. Returns whether there is one.
    ///
    /// # Errors
    ///
    /// If the value has another size than the variable.
    pub fn set(&mut self, variable: &Variable, value: &[u8]) -> Result<bool, String> {
        let Variable { section, field: Field { name, offset, size } } = variable;
        if value.len() != *size {
            return Err(format!("{name} has {size} bytes, and {} are given", value.len()));
        }
        let mut found = false;
        for map in self.maps.iter_mut().filter(|map| map.name == *section) {
            if map.contents.is_empty() {
                let (key, value) =
                    (vec![0; map.key_size as usize], vec![0; map.value_size as usize]);
                map.contents.push(MapElement { key, value });
            }
            let whole = &mut map.contents[0].value;
            let place = whole.get_mut(*offset..).and_then(|rest| rest.get_mut(..*size));
            place.ok_or_else(|| format!("{name} reaches out of {section}"))?.copy_from_slice(value);
            found = true;
        }
        Ok(found)
    }

    /// The members of the struct that the first program takes, as its BTF has it. None if it has none.
    pub fn context_fields(&self) -> Vec<Field> {
        self.read_context().unwrap_or_default()
    }

    fn read_context(&self) -> Option<Vec<Field>> {
        let function = self.programs.first()?.func_info.first()?.type_id;
        let types = Types::read(&self.btf).ok()?;
        let proto = types.operand(function)?;
        if types.kind(proto)? != kind::FUNC_PROTO || types.count(proto)? == 0 {
            return None;
        }
        let members = types.members(types.pointee(types.more(proto, 1)?)?)?;
        let field = |member: &crate::btf_read::Member<'_>| {
            let size = types.size(member.type_id)?;
            Some(Field {
                name: member.name.to_owned(),
                offset: (member.bits / 8) as usize,
                size: size as usize,
            })
        };
        Some(members.iter().filter_map(field).collect())
    }
}
