//! The memory of a process that is in use, as the kernel counts it (proc_pid_status(5), proc_pid_clear_refs(5)).

#![allow(dead_code, reason = "each bench uses its own part")]

use std::io;

/// Of one process.
pub(crate) struct Memory {
    id: u32,
}

impl Memory {
    pub(crate) const fn of(id: u32) -> Self {
        Self { id }
    }

    /// Bytes now.
    pub(crate) fn now(&self) -> io::Result<usize> {
        self.told("VmRSS:")
    }

    /// The most bytes since the peak was forgotten.
    pub(crate) fn peak(&self) -> io::Result<usize> {
        self.told("VmHWM:")
    }

    /// From here on the peak is what there is now.
    pub(crate) fn forget_peak(&self) -> io::Result<()> {
        std::fs::write(format!("/proc/{}/clear_refs", self.id), "5")
    }

    fn told(&self, name: &str) -> io::Result<usize> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.id))?;
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kilobytes = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<usize>().ok());
        kilobytes.map(|count| count * 1024).ok_or_else(|| io::Error::other(format!("the kernel does not tell {name}")))
    }
}
