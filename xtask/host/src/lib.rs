//! What every layer needs of the host: exit statuses, Ctrl-C, the terminal, tools, paths, shared files.

pub mod exit;
pub mod files;
pub mod interrupt;
pub mod needs;
pub mod paths;
pub mod programs;
pub mod terminal;
pub mod ui;
