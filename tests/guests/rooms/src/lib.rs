//! Counts the visitors of its room, its alarms, and the commands `add`: see `receive_text`. The counts are the state of
//! the module.

use std::cell::{Cell, RefCell};

use std::time::Duration;

use narrowboat_guest::{prelude::*, room, room::RestoreReason};

thread_local! {
    static COUNT: Cell<u64> = const { Cell::new(0) };
    static VISITOR_COUNT: Cell<i64> = const { Cell::new(0) };
    static ALARM_COUNT: Cell<u64> = const { Cell::new(0) };
    static MODE: Cell<AlarmMode> = const { Cell::new(AlarmMode::Succeed) };
    /// Makes the state larger.
    static PAD: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static REASON: Cell<Option<RestoreReason>> = const { Cell::new(None) };
    static FAILS_TO_SAVE: Cell<bool> = const { Cell::new(false) };
}

#[derive(Serialize, Deserialize)]
struct RoomVisitor {
    /// Whether `disconnect` panics.
    fatal: bool,
}

impl Consumer for RoomVisitor {
    type Message = NoMessage;

    fn connect(scope: &Scope, _: &Connection) -> Result<Accept<Self>, Deny> {
        if scope.query_param("reject").is_some() {
            return Err(deny(403));
        }
        assert!(scope.query_param("trap").is_none(), "asked to trap");
        VISITOR_COUNT.set(VISITOR_COUNT.get() + 1);
        Ok(accept(RoomVisitor { fatal: false }))
    }

    fn receive_text(&mut self, connection: &Connection, text: String) -> Result<(), Error> {
        match text.as_str() {
            "add" => COUNT.set(COUNT.get() + 1),
            "get" => {}
            "visitors" => return Ok(connection.send(VISITOR_COUNT.get().to_string())?),
            "be fatal" => self.fatal = true,
            "fail to save" => FAILS_TO_SAVE.set(true),
            "save" => FAILS_TO_SAVE.set(false),
            "trap" => panic!("asked to trap"),
            "hang" => loop {
                std::hint::spin_loop();
            },
            "everyone" => return Ok(connection.send(everyone().connections().len().to_string())?),
            "cancel" => room::cancel_alarm(),
            "alarm" => return Ok(connection.send(describe_alarm())?),
            "reason" => return Ok(connection.send(format!("{:?}", REASON.get()))?),
            "name" => return Ok(connection.send(room::name().unwrap_or_default())?),
            text => return self.handle_argument(connection, text),
        }
        Ok(connection.send(COUNT.get().to_string())?)
    }

    fn alarm() -> Result<(), Error> {
        ALARM_COUNT.set(ALARM_COUNT.get() + 1);
        everyone().send(format!("alarm {}", ALARM_COUNT.get()));
        match MODE.get() {
            AlarmMode::Succeed => Ok(()),
            AlarmMode::Fail if ALARM_COUNT.get() < 3 => Err(Error::msg("asked to fail")),
            AlarmMode::Trap if ALARM_COUNT.get() < 2 => panic!("asked to trap"),
            AlarmMode::Repeat if ALARM_COUNT.get() < 3 => {
                Ok(room::set_alarm(Duration::from_millis(20))?)
            }
            AlarmMode::Fail | AlarmMode::Trap | AlarmMode::Repeat => Ok(()),
        }
    }

    fn disconnect(&mut self, _: &Connection, _: CloseFrame) {
        assert!(!self.fatal, "asked to panic in disconnect");
        VISITOR_COUNT.set(VISITOR_COUNT.get() - 1);
    }

    fn save_module() -> Result<Option<Snapshot>, Error> {
        if FAILS_TO_SAVE.get() {
            return Err(Error::msg("asked to fail"));
        }
        let state = State {
            count: COUNT.get(),
            visitor_count: VISITOR_COUNT.get(),
            alarm_count: ALARM_COUNT.get(),
            mode: MODE.get(),
            pad: PAD.with_borrow(Clone::clone),
        };
        Snapshot::encode(2, &state).map(Some)
    }

    fn load_module(snapshot: Snapshot) -> Result<(), Error> {
        let State { count, visitor_count, alarm_count, mode, pad } = snapshot.decode()?;
        PAD.set(pad);
        COUNT.set(count);
        VISITOR_COUNT.set(visitor_count);
        ALARM_COUNT.set(alarm_count);
        MODE.set(mode);
        REASON.set(room::restore_reason());
        Ok(())
    }
}

#[derive(Clone, Copy, Default, Serialize, Deserialize)]
enum AlarmMode {
    #[default]
    Succeed,
    /// Fails twice.
    Fail,
    /// Panics once.
    Trap,
    /// Sets the next alarm, until there have been three.
    Repeat,
}

#[derive(Serialize, Deserialize)]
struct State {
    count: u64,
    visitor_count: i64,
    alarm_count: u64,
    mode: AlarmMode,
    #[serde(default)]
    pad: Vec<u8>,
}

fn describe_alarm() -> String {
    if room::alarm().is_some() { "set".to_owned() } else { "none".to_owned() }
}

impl RoomVisitor {
    /// Handles a command with an argument: "alarm in MILLISECONDS", "mode NAME", "pad BYTES" and "say TEXT".
    fn handle_argument(&mut self, connection: &Connection, text: &str) -> Result<(), Error> {
        let unknown = || Error::msg(format_args!("unknown command {text:?}"));
        let (command, argument) = text.rsplit_once(' ').ok_or_else(unknown)?;
        match (command, argument) {
            ("alarm in", millis) => {
                room::set_alarm(Duration::from_millis(millis.parse().map_err(Error::msg)?))?;
                Ok(connection.send(describe_alarm())?)
            }
            ("mode", mode) => {
                MODE.set(match mode {
                    "fail" => AlarmMode::Fail,
                    "trap" => AlarmMode::Trap,
                    "repeat" => AlarmMode::Repeat,
                    _ => return Err(unknown()),
                });
                Ok(connection.send(mode)?)
            }
            ("pad", len) => {
                PAD.set(vec![0; len.parse().map_err(Error::msg)?]);
                Ok(connection.send(len)?)
            }
            ("say", said) => {
                let count = everyone().without(connection).send(said);
                Ok(connection.send(count.to_string())?)
            }
            _ => Err(unknown()),
        }
    }
}

narrowboat_guest::export!(RoomVisitor);
