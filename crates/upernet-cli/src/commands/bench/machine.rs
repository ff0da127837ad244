//! What a measurement ran on, and how much memory it took.

use std::{env::consts, fs};

use serde::Serialize;

use crate::threads;

/// The processor as its numbers are to be read.
#[derive(Debug, Serialize)]
pub(super) struct Machine {
    /// Its name, or its architecture where the system does not say.
    pub(super) processor: String,
    /// Vector instructions that kernels may use, of those that this processor has.
    pub(super) features: Vec<&'static str>,
    /// Threads that compute.
    pub(super) threads: usize,
    pub(super) system: &'static str,
}

impl Machine {
    pub(super) fn here() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let processor = processor(&cpuinfo).unwrap_or(consts::ARCH);
        Self {
            processor: processor.to_owned(),
            features: features(),
            threads: threads::count(),
            system: consts::OS,
        }
    }
}

/// The first processor's name in Linux's list of them.
fn processor(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo
        .lines()
        .find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(target_arch = "x86_64")]
fn features() -> Vec<&'static str> {
    let found = [
        ("avx2", is_x86_feature_detected!("avx2")),
        ("fma", is_x86_feature_detected!("fma")),
        ("avx512f", is_x86_feature_detected!("avx512f")),
        ("avx512bf16", is_x86_feature_detected!("avx512bf16")),
    ];
    let found = found.into_iter().filter(|(_, is_there)| *is_there);
    found.map(|(name, _)| name).collect()
}

#[cfg(target_arch = "aarch64")]
fn features() -> Vec<&'static str> {
    let found = [
        ("neon", std::arch::is_aarch64_feature_detected!("neon")),
        ("bf16", std::arch::is_aarch64_feature_detected!("bf16")),
    ];
    let found = found.into_iter().filter(|(_, is_there)| *is_there);
    found.map(|(name, _)| name).collect()
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn features() -> Vec<&'static str> {
    Vec::new()
}

/// The most memory of this process that was resident at a time, in bytes; only Linux says it.
///
/// Linux could start to look anew, but whoever started this process would then see a peak that lacks
/// what came before.
pub(super) fn peak_memory() -> Option<u64> {
    peak(&fs::read_to_string("/proc/self/status").ok()?)
}

fn peak(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_is_read_as_it_writes() {
        assert_eq!(
            peak("VmPeak:\t  9000 kB\nVmHWM:\t    5136 kB\n"),
            Some(5136 * 1024)
        );
        assert_eq!(peak("VmPeak:\t  9000 kB\n"), None);
        assert_eq!(
            processor("processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\n"),
            Some("Some CPU @ 2 GHz")
        );
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_peak_is_at_least_what_is_in_use() {
        let block = vec![1_u8; 64 << 20];
        std::hint::black_box(&block);
        assert!(peak_memory().is_some_and(|bytes| bytes >= 64 << 20));
    }
}
