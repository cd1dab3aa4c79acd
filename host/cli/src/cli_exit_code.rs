//! The exit codes of the program.

/// An exit code of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum CliExitCode {
    /// The command has succeeded.
    Success = 0,
    /// A failure at run time.
    Failure = 1,
    /// Wrong usage or configuration. Clap uses the same code.
    Usage = 2,
    /// The host refused a version or a configuration.
    Refused = 3,
    /// A version was live and has been rolled back.
    RolledBack = 4,
    /// The plugin, version, connection, layer or tenant does not exist.
    NotFound = 5,
    /// The token is missing, or does not allow the command.
    NotAllowed = 6,
    /// A version waits for an approval, because it requests more capabilities than the live one.
    Pending = 7,
    /// A second SIGINT, by the shells' convention.
    Interrupted = 130,
    /// SIGPIPE, by the shells' convention.
    BrokenPipe = 141,
}

impl CliExitCode {
    /// All exit codes.
    pub(super) const ALL: [Self; 10] = [
        Self::Success,
        Self::Failure,
        Self::Usage,
        Self::Refused,
        Self::RolledBack,
        Self::NotFound,
        Self::NotAllowed,
        Self::Pending,
        Self::Interrupted,
        Self::BrokenPipe,
    ];

    /// The number that the process ends with.
    pub(super) const fn number(self) -> u8 {
        self as u8
    }

    /// The meaning of the code, as Markdown.
    pub(super) const fn meaning(self) -> &'static str {
        match self {
            Self::Success => {
                "success; for `serve` and `dev`, a stop by SIGTERM or ctrl-c; for `send`, the layer has the message, even \
                 if there is no receiver"
            }
            Self::Failure => {
                "failure at run time: the host does not respond, the address is in use, the build failed, Redis is \
                 unavailable, the disk is full"
            }
            Self::Usage => {
                "wrong usage, configuration or input file; also a component, key or certificate that the configuration \
                 names and that cannot be used"
            }
            Self::Refused => {
                "the host refused the version, for `reload` the configuration, or for `kv set` a value over the quota"
            }
            Self::RolledBack => "with `--wait`: the version was live and was rolled back",
            Self::NotFound => "there is no such plugin, version, connection, layer, key or tenant",
            Self::NotAllowed => {
                "the token is missing, unreadable or unknown, or does not allow the command"
            }
            Self::Pending => {
                "the version requests more capabilities than the live one, and waits for an approval"
            }
            Self::Interrupted => "a second ctrl-c ended the host at once",
            Self::BrokenPipe => {
                "the reader of the output has gone, as in `narrowboat status | head -1`; the host has carried out the \
                 command"
            }
        }
    }

    /// The commands that end with the code, as Markdown.
    pub(super) const fn commands(self) -> &'static str {
        match self {
            Self::Success | Self::Failure | Self::Usage => "all",
            Self::Refused => "`deploy`, `rollback`, `approve`, `reload`, `kv set`",
            Self::RolledBack => "`deploy`, `rollback`, `approve`",
            Self::NotFound | Self::NotAllowed => "commands that need a running host",
            Self::Pending => "`deploy`, `rollback`",
            Self::Interrupted => "`serve`, `dev`",
            Self::BrokenPipe => "all except `serve` and `dev`",
        }
    }
}
