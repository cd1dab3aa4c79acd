//! The classes of Redis errors. All error codes that the host handles are listed here.

use redis::{RedisError, ServerError, Value};

/// The scope of an error: it decides which further commands will fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// There is no reply: the connection ended, cannot be made, or timed out.
    Connection,
    /// The server refuses commands, or writes, of all clients: it loads its data, is a replica, is out of memory,
    /// cannot save, has too few replicas, runs a script, or has lost its cluster.
    Server,
    /// The login is wrong, or the user may not run the command or use the key.
    Access,
    /// The key has a value of another type.
    Key,
    /// Any other error: only this command failed.
    Command,
}

impl ErrorClass {
    /// Returns the class of an error.
    pub fn of(error: &RedisError) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code, error.detail()),
            None if error.kind() == redis::ErrorKind::AuthenticationFailed => Self::Access,
            None => Self::Connection,
        }
    }

    /// Returns the class of an error among the replies of a pipeline.
    pub fn of_reply(error: &ServerError) -> Self {
        Self::of_code(error.code(), error.details())
    }

    /// Returns whether further commands will fail until the cause is fixed.
    pub fn is_persistent(self) -> bool {
        matches!(self, Self::Connection | Self::Server | Self::Access)
    }

    fn of_code(code: &str, detail: Option<&str>) -> Self {
        match code {
            "LOADING" | "MASTERDOWN" | "READONLY" | "NOREPLICAS" | "MISCONF" | "OOM" | "BUSY"
            | "UNKILLABLE" | "CLUSTERDOWN" | "TRYAGAIN" | "MOVED" | "ASK" | "CROSSSLOT" => {
                Self::Server
            }
            "NOAUTH" | "NOPERM" | "WRONGPASS" => Self::Access,
            "WRONGTYPE" => Self::Key,
            // Redis before version 7 puts the code of a command that a script called into the text:
            // "… -OOM command not allowed".
            "ERR" => detail
                .and_then(nested_script_error_code)
                .map_or(Self::Command, |code| Self::of_code(code, None)),
            _ => Self::Command,
        }
    }
}

/// Finds the code of an error of a script in the text of the error.
fn nested_script_error_code(detail: &str) -> Option<&str> {
    let codes = detail.split_whitespace().filter_map(|word| word.strip_prefix('-'));
    codes
        .into_iter()
        .find(|code| code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// Finds the first persistent error among the replies of a pipeline.
pub fn find_persistent_error(values: &[Value]) -> Option<RedisError> {
    values.iter().find_map(|value| match value {
        Value::ServerError(error) if ErrorClass::of_reply(error).is_persistent() => {
            Some(error.clone().into())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_code_has_its_class() {
        let classes = [
            (
                ErrorClass::Server,
                "NOREPLICAS OOM MISCONF READONLY LOADING MASTERDOWN BUSY CLUSTERDOWN TRYAGAIN MOVED ASK CROSSSLOT",
            ),
            (ErrorClass::Access, "NOAUTH NOPERM WRONGPASS"),
            (ErrorClass::Key, "WRONGTYPE"),
            (ErrorClass::Command, "ERR NOSCRIPT EXECABORT SOMETHING"),
        ];
        for (class, codes) in classes {
            for code in codes.split(' ') {
                assert_eq!(ErrorClass::of_code(code, Some("words")), class, "{code}");
            }
        }
    }

    #[test]
    fn the_code_of_a_script_error_is_found_in_the_text_of_an_older_server() {
        let class_of = |detail: &str| ErrorClass::of_code("ERR", Some(detail));
        let script = "Error running script (call to f_c6): @user_script:11: @user_script: 11: ";
        assert_eq!(class_of(&format!("{script}-OOM command not allowed")), ErrorClass::Server);
        assert_eq!(class_of(&format!("{script}-NOPERM no permission")), ErrorClass::Access);
        assert_eq!(class_of(&format!("{script}attempt to index a nil value")), ErrorClass::Command);
        assert_eq!(class_of("value is -1 - not a valid float"), ErrorClass::Command);
    }

    #[test]
    fn an_io_error_is_an_error_of_the_connection() {
        let error: RedisError = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        assert_eq!(ErrorClass::of(&error), ErrorClass::Connection);
    }
}
