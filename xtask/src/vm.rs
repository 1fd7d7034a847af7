//! The virtual machine: accelerator, QEMU command, channel to the agent, console watcher.
