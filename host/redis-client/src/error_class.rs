//! What an error from Redis is about. All codes that are acted upon stand here.

use redis::{RedisError, ServerError, Value};

/// What failed, and so what else will fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorClass {
    /// No answer: the connection has ended, cannot be made, or took too long.
    Connection,
    /// The server takes no commands, or no writes, from anybody: it loads, is a replica, is out of memory, cannot save,
    /// has too few replicas, runs a script, or misses its cluster.
    Server,
    /// The login is wrong, or does not permit the command or the key.
    Access,
    /// The key holds another type.
    Key,
    /// Anything else: only what was asked has failed.
    Command,
}

impl ErrorClass {
    /// The class of an error.
    pub fn of(error: &RedisError) -> Self {
        match error.code() {
            Some(code) => Self::of_code(code, error.detail()),
            None if error.kind() == redis::ErrorKind::AuthenticationFailed => Self::Access,
            None => Self::Connection,
        }
    }

    /// The class of an error that stands among the answers of a pipeline.
    pub fn of_reply(error: &ServerError) -> Self {
        Self::of_code(error.code(), error.details())
    }

    /// Whether further commands will fail as well, until somebody mends something.
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
            // Redis before 7 writes the code of what a script called into the text: "… -OOM command not allowed".
            "ERR" => detail
                .and_then(nested_script_error_code)
                .map_or(Self::Command, |code| Self::of_code(code, None)),
            _ => Self::Command,
        }
    }
}

/// The code of an error in a script, where the text has one.
fn nested_script_error_code(detail: &str) -> Option<&str> {
    let codes = detail.split_whitespace().filter_map(|word| word.strip_prefix('-'));
    codes
        .into_iter()
        .find(|code| code.len() > 2 && code.bytes().all(|byte| byte.is_ascii_uppercase()))
}

/// The first error among the answers of a pipeline that further commands will meet as well.
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
    fn every_code_that_redis_refuses_with_has_its_class() {
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
    fn what_a_script_met_is_found_in_the_text_of_an_older_server() {
        let of = |detail: &str| ErrorClass::of_code("ERR", Some(detail));
        let script = "Error running script (call to f_c6): @user_script:11: @user_script: 11: ";
        assert_eq!(of(&format!("{script}-OOM command not allowed")), ErrorClass::Server);
        assert_eq!(of(&format!("{script}-NOPERM no permission")), ErrorClass::Access);
        assert_eq!(of(&format!("{script}attempt to index a nil value")), ErrorClass::Command);
        assert_eq!(of("value is -1 - not a valid float"), ErrorClass::Command);
    }

    #[test]
    fn what_is_no_answer_is_the_connections() {
        let error: RedisError = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
        assert_eq!(ErrorClass::of(&error), ErrorClass::Connection);
    }
}
