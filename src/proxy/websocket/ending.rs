//! Why a websocket of a client ends, and what its client is told of it (docs/websocket.md, Close codes).

use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::error::ProtocolError;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::toll::NoRoom;

/// Why a websocket ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// The client closed it, or is gone.
    Left,
    /// A binary message.
    Binary,
    /// A text that is not UTF-8.
    NotText,
    /// A frame or message over its cap.
    TooLarge,
    /// A message that arrives finds no memory.
    NoRoom,
    /// Frames that break the protocol.
    Protocol,
    /// No turn and no message for too long.
    Idle,
    /// It is too old for another turn, which was refused.
    Old,
    /// The key, its pool or its route was switched off.
    KeyLost,
    /// The gateway stops.
    Draining,
}

impl Ending {
    /// What an error on reading means.
    pub(super) fn of(error: &Error) -> Self {
        match error {
            Error::Capacity(_) => Self::TooLarge,
            Error::Utf8(_) => Self::NotText,
            Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Self::Left,
            Error::Io(error) if error.get_ref().is_some_and(|cause| cause.is::<NoRoom>()) => Self::NoRoom,
            Error::Protocol(_) | Error::AttackAttempt => Self::Protocol,
            Error::ConnectionClosed
            | Error::AlreadyClosed
            | Error::Io(_)
            | Error::Tls(_)
            | Error::WriteBufferFull(_)
            | Error::Url(_)
            | Error::Http(_)
            | Error::HttpFormat(_) => Self::Left,
        }
    }

    /// The close frame; none when there is nobody to tell.
    pub(super) fn frame(self) -> Option<CloseFrame> {
        let (code, reason) = match self {
            Self::Left => return None,
            Self::Binary => (CloseCode::Unsupported, "binary frames are not supported"),
            Self::NotText => (CloseCode::Invalid, ""),
            Self::TooLarge => (CloseCode::Size, ""),
            Self::NoRoom => (CloseCode::Again, ""),
            Self::Protocol | Self::Idle => (CloseCode::Protocol, ""),
            Self::Old => (CloseCode::Normal, ""),
            Self::KeyLost => (CloseCode::Policy, "api key is no longer active"),
            Self::Draining => (CloseCode::Away, "owner draining"),
        };
        Some(CloseFrame { code, reason: reason.into() })
    }

    /// The word for the log.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Left => "left",
            Self::Binary => "binary",
            Self::NotText => "not_text",
            Self::TooLarge => "too_large",
            Self::NoRoom => "no_room",
            Self::Protocol => "protocol",
            Self::Idle => "idle",
            Self::Old => "old",
            Self::KeyLost => "key_lost",
            Self::Draining => "draining",
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_tungstenite::tungstenite::error::CapacityError;

    use super::*;

    #[test]
    fn each_end_has_its_code() {
        let code = |ending: Ending| ending.frame().map(|frame| (u16::from(frame.code), frame.reason.to_string()));
        assert_eq!(code(Ending::Left), None);
        assert_eq!(code(Ending::Binary), Some((1003, "binary frames are not supported".into())));
        assert_eq!(code(Ending::NotText), Some((1007, String::new())));
        assert_eq!(code(Ending::TooLarge), Some((1009, String::new())));
        assert_eq!(code(Ending::NoRoom), Some((1013, String::new())));
        assert_eq!(code(Ending::Protocol), Some((1002, String::new())));
        assert_eq!(code(Ending::Idle), Some((1002, String::new())));
        assert_eq!(code(Ending::Old), Some((1000, String::new())));
        assert_eq!(code(Ending::KeyLost), Some((1008, "api key is no longer active".into())));
        assert_eq!(code(Ending::Draining), Some((1001, "owner draining".into())));
    }

    #[test]
    fn an_error_says_who_broke_what() {
        let too_long = Error::Capacity(CapacityError::MessageTooLong { size: 2, max_size: 1 });
        assert_eq!(Ending::of(&too_long), Ending::TooLarge);
        assert_eq!(Ending::of(&Error::Utf8(String::new())), Ending::NotText);
        assert_eq!(Ending::of(&Error::Protocol(ProtocolError::UnmaskedFrameFromClient)), Ending::Protocol);
        assert_eq!(Ending::of(&Error::Protocol(ProtocolError::ResetWithoutClosingHandshake)), Ending::Left);
        assert_eq!(Ending::of(&Error::Io(std::io::Error::other(NoRoom))), Ending::NoRoom);
        assert_eq!(Ending::of(&Error::Io(std::io::ErrorKind::ConnectionReset.into())), Ending::Left);
    }
}
