//! Exit codes, after sysexits.h where one fits.

/// What `--help` says of them.
pub const WORDS: &str = "\
Exit codes: 0 all went well, 1 something else failed, 64 the command line is wrong, 65 the input is of no use, 66 a file cannot be opened, \
69 the cluster cannot be reached, 77 credentials or privileges are not enough, 78 the configuration is wrong.";

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Ok,
    /// Something failed that no other code names.
    Failure,
    /// The command line is not understood (64, EX_USAGE).
    Usage,
    /// The input could not be used at all (65, EX_DATAERR).
    BadInput,
    /// A file could not be opened (66, EX_NOINPUT).
    NoInput,
    /// The cluster cannot be reached or does not answer (69, EX_UNAVAILABLE).
    Unavailable,
    /// Credentials or privileges are not enough (77, EX_NOPERM).
    NoPermission,
    /// The configuration is wrong (78, EX_CONFIG).
    BadConfig,
}

impl Exit {
    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Failure => 1,
            Self::Usage => 64,
            Self::BadInput => 65,
            Self::NoInput => 66,
            Self::Unavailable => 69,
            Self::NoPermission => 77,
            Self::BadConfig => 78,
        }
    }
}
