//! Writes the targets' seed inputs: `seeds DIRECTORY` makes a folder for each target.

use std::error::Error;
use std::path::PathBuf;
use std::{env, fs};

use bpf_fuzz::TARGETS;

fn main() -> Result<(), Box<dyn Error>> {
    let directory = PathBuf::from(env::args_os().nth(1).ok_or("usage: seeds DIRECTORY")?);
    for target in TARGETS {
        let folder = directory.join(target.name);
        fs::create_dir_all(&folder)?;
        for (name, bytes) in (target.seeds)() {
            fs::write(folder.join(name.replace('/', "-")), bytes)?;
        }
    }
    Ok(())
}
