//! What the writer rejects, and details of its output.

use bpf_isa::{JumpTable, MapDef, Relocation, RelocationKind, Unit, assemble};
use bpf_object::{read, write};

fn unit(source: &str) -> Unit {
    assemble(source).unwrap()
}

#[test]
fn the_license_and_maps_are_data() {
    let elf = write(&unit("exit\n.map m array key=4 value=8 entries=3 flags=1")).unwrap();
    let object = read(&elf).unwrap();
    assert_eq!(object.section("license").unwrap().1.data, b"GPL\0");
    let maps = object.section("maps").unwrap().1;
    let fields: Vec<u8> = [2u32, 4, 8, 3, 1].into_iter().flat_map(u32::to_le_bytes).collect();
    assert_eq!(maps.data, fields);
}

#[test]
fn jump_tables_have_neither_flags_nor_relocations() {
    let elf = write(&unit("r1 = t ll\nexit\n.jumptable t: 2, 0")).unwrap();
    let object = read(&elf).unwrap();
    let (_, tables) = object.section(".jumptables").unwrap();
    assert_eq!((tables.section_type, tables.flags, tables.relocations.len()), (1, 0, 0));
    assert_eq!(tables.data, [16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let symbol = object.symbols.iter().find(|symbol| symbol.name == "t").unwrap();
    assert_eq!((symbol.value, symbol.size, symbol.symbol_type, symbol.bind), (0, 16, 1, 1));
}

#[test]
fn units_that_contradict_themselves_are_refused() {
    let good = || unit("r1 = m ll\nexit\n.map m array key=4 value=8 entries=3");
    let refusal = |unit: &Unit| write(unit).unwrap_err().to_string();

    let mut twice = good();
    twice.maps.push(MapDef { name: "main".to_owned(), ..twice.maps[0].clone() });
    assert_eq!(
        refusal(&twice),
        "cannot write the object: `main` is defined twice; give each symbol its own name"
    );

    let mut lost = good();
    lost.jump_tables.push(JumpTable {
        name: "t".to_owned(),
        function: "gone".to_owned(),
        targets: vec![],
    });
    assert_eq!(
        refusal(&lost),
        "cannot write the jump table `t`: its function `gone` is not in the unit; define it or \
         correct the table"
    );

    let mut far = good();
    far.functions[0].relocations[0].addend = 1 << 31;
    assert_eq!(
        refusal(&far),
        "cannot write the relocation at slot 0 of `main`: 2147483648 does not fit the immediate of \
         32 bits; use a smaller addend or object"
    );

    let mut outside = good();
    outside.functions[0].relocations.push(Relocation {
        slot: 3,
        symbol: "m".to_owned(),
        addend: 0,
        kind: RelocationKind::Address,
    });
    assert_eq!(
        refusal(&outside),
        "cannot write the relocation at slot 3 of `main`: there is no such slot; count slots from \
         the function's start"
    );

    let mut nothing = good();
    nothing.maps.clear();
    assert_eq!(
        refusal(&nothing),
        "cannot write the relocation at slot 0 of `main`: nothing is named `m`; define it"
    );

    let mut zero = good();
    zero.functions[0].section = "sys\0call".to_owned();
    assert_eq!(
        refusal(&zero),
        "cannot write the object: the name `sys\\0call` has a zero byte; remove it"
    );
}
