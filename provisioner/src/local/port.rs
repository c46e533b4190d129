//! Ports: which one, whether it is free, and who has it if not.

use std::net::{Ipv4Addr, TcpListener};

use super::error::LocalError;

/// Where the emulator listens unless told otherwise.
pub const DEFAULT: u16 = 4747;

/// The port asked for: by the caller, by `FREEHOLD_LOCAL_PORT`, or none.
pub fn wanted(option: Option<u16>, variable: Option<&str>) -> Result<Option<u16>, LocalError> {
    match (option, variable) {
        (Some(port), _) => Ok(Some(port)),
        (None, None | Some("")) => Ok(None),
        (None, Some(text)) => match text.parse::<u16>() {
            Ok(port) if port > 0 => Ok(Some(port)),
            _ => Err(LocalError::BadPort(text.to_owned())),
        },
    }
}

/// The port if it is free; 0 becomes one that is.
pub fn claim(port: u16) -> Result<u16, LocalError> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).and_then(|listener| listener.local_addr());
    bound.map(|address| address.port()).map_err(|_| LocalError::PortTaken { port, by: holder(port) })
}

/// What holds a port, as far as this system tells: the process's id and command.
fn holder(port: u16) -> String {
    find(port).unwrap_or_else(|| "another program".to_owned())
}

fn find(port: u16) -> Option<String> {
    let sockets = inodes(port);
    for process in std::fs::read_dir("/proc").ok()?.flatten() {
        let name = process.file_name().to_string_lossy().into_owned();
        let Ok(pid) = name.parse::<u32>() else { continue };
        let Ok(files) = std::fs::read_dir(process.path().join("fd")) else { continue };
        let holds = files.flatten().any(|file| {
            let target = std::fs::read_link(file.path());
            target.is_ok_and(|target| sockets.contains(&target.to_string_lossy().into_owned()))
        });
        if holds {
            let command = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
            let command = String::from_utf8_lossy(&command).replace('\0', " ");
            let short: String = command.trim().chars().take(80).collect();
            return Some(format!("process {pid} (`{short}`)"));
        }
    }
    None
}

/// The sockets that listen on the port, named as `/proc/<pid>/fd` names them.
fn inodes(port: u16) -> Vec<String> {
    const LISTENING: &str = "0A";
    let suffix = format!(":{port:04X}");
    let tables: String = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .collect();
    let rows = tables.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| {
        row.get(1).is_some_and(|local| local.ends_with(&suffix)) && row.get(3) == Some(&LISTENING)
    })
    .filter_map(|row| row.get(9).map(|inode| format!("socket:[{inode}]")))
    .collect()
}
