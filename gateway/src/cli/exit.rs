//! Exit codes: what a script can tell from how a command ended.
//!
//! The names and numbers are those of BSD's `sysexits.h`, without its `EX_`.

use std::io;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, Hash, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// 0: everything that was asked for is done, and every check holds.
    Ok = 0,
    /// 1: it ended otherwise than it was meant to: declined at the terminal, stopped, or a demo's step
    /// came out wrong.
    Failed = 1,
    /// 64: the command line is not understood.
    Usage = 64,
    /// 65: the data are not what they should be, a check failed, or a gateway refused them.
    DataErr = 65,
    /// 66: a file or folder to read is not there or cannot be read.
    NoInput = 66,
    /// 68: a department or host that was named is not known.
    NoHost = 68,
    /// 69: a gateway is not reached or does not serve.
    Unavailable = 69,
    /// 70: a fault of this program.
    Software = 70,
    /// 71: the operating system refused something basic: a thread, a port, random bytes.
    OsErr = 71,
    /// 73: a file or folder to write cannot be made.
    CantCreat = 73,
    /// 74: reading or writing failed midway.
    IoErr = 74,
    /// 75: not now; the same command may succeed later.
    TempFail = 75,
    /// 76: a gateway answered something that is not of its protocol.
    Protocol = 76,
    /// 77: permissions: too few for what was asked for, or too many on what must be private.
    NoPerm = 77,
    /// 78: the configuration is wrong.
    Config = 78,
}

impl Exit {
    /// The number that the operating system is told.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// What it is when a file or folder to read cannot be read.
    pub fn of_reading(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory => Self::NoInput,
            io::ErrorKind::PermissionDenied => Self::NoPerm,
            io::ErrorKind::InvalidData => Self::DataErr,
            _ => Self::IoErr,
        }
    }

    /// What it is when a file or folder to write cannot be written.
    pub fn of_writing(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::IsADirectory
            | io::ErrorKind::ReadOnlyFilesystem => Self::CantCreat,
            io::ErrorKind::PermissionDenied => Self::NoPerm,
            io::ErrorKind::InvalidData => Self::DataErr,
            _ => Self::IoErr,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_sysexits() {
        // From FreeBSD's sys/sys/sysexits.h.
        let known = [
            (Exit::Usage, 64),
            (Exit::DataErr, 65),
            (Exit::NoInput, 66),
            (Exit::NoHost, 68),
            (Exit::Unavailable, 69),
            (Exit::Software, 70),
            (Exit::OsErr, 71),
            (Exit::CantCreat, 73),
            (Exit::IoErr, 74),
            (Exit::TempFail, 75),
            (Exit::Protocol, 76),
            (Exit::NoPerm, 77),
            (Exit::Config, 78),
        ];
        for (exit, number) in known {
            assert_eq!(exit.code(), number, "{exit:?}");
        }
    }

    #[test]
    fn a_missing_file_is_another_matter_than_a_forbidden_one() {
        let exit = |kind| Exit::of_reading(&io::Error::from(kind));
        assert_eq!(exit(io::ErrorKind::NotFound), Exit::NoInput);
        assert_eq!(exit(io::ErrorKind::PermissionDenied), Exit::NoPerm);
        assert_eq!(exit(io::ErrorKind::StorageFull), Exit::IoErr);
        let exit = |kind| Exit::of_writing(&io::Error::from(kind));
        assert_eq!(exit(io::ErrorKind::AlreadyExists), Exit::CantCreat);
        assert_eq!(exit(io::ErrorKind::PermissionDenied), Exit::NoPerm);
        assert_eq!(exit(io::ErrorKind::StorageFull), Exit::IoErr);
    }
}
