//! Numbers with names: request codes, response codes, languages, and the access class of a request.

use std::fmt;

/// The number of a request. Constants for all known ones come from the table in [`crate::requests`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RequestCode(pub i32);

/// Who may send a request (reliability.md 7, S3): one class per row, so that no code is open by accident.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Anybody: route queries, heartbeats.
    Open,
    /// Needs PUB on the topic it names.
    Pub,
    /// Needs SUB on the topic and group it names.
    Sub,
    /// Needs SUB on the consumer group it names.
    Group,
    /// Administration that only looks.
    AdminRead,
    /// Administration that changes something.
    AdminWrite,
    /// Between servers of one cluster.
    Cluster,
    /// Known by number only, or never sent to a server: answered with REQUEST_CODE_NOT_SUPPORTED.
    Unsupported,
}

impl Class {
    /// As in the table of PROTOCOL.md.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Class::Open => "open",
            Class::Pub => "pub",
            Class::Sub => "sub",
            Class::Group => "group",
            Class::AdminRead => "admin-read",
            Class::AdminWrite => "admin-write",
            Class::Cluster => "cluster",
            Class::Unsupported => "unsupported",
        }
    }
}

/// The number of an answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ResponseCode(pub i32);

macro_rules! response_codes {
    ($($(#[$doc:meta])* $number:literal $name:ident)*) => {
        impl ResponseCode {
            $($(#[$doc])* pub const $name: Self = Self($number);)*

            /// Its name in RocketMQ, if it has one.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($number => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

response_codes! {
    /// Done.
    0 SUCCESS
    /// Generic failure.
    1 SYSTEM_ERROR
    /// Flow control: try another broker, or later.
    2 SYSTEM_BUSY
    /// No handler for this code.
    3 REQUEST_CODE_NOT_SUPPORTED
    /// Unused by brokers.
    4 TRANSACTION_FAILED
    /// Stored, not flushed in time.
    10 FLUSH_DISK_TIMEOUT
    /// Stored, no replica; END_TRANSACTION at a slave.
    11 SLAVE_NOT_AVAILABLE
    /// Stored, the replica too late.
    12 FLUSH_SLAVE_TIMEOUT
    /// A bad message.
    13 MESSAGE_ILLEGAL
    /// The store takes no writes.
    14 SERVICE_NOT_AVAILABLE
    /// Wrong version.
    15 VERSION_NOT_SUPPORTED
    /// Permission bits, ACL, deny lists.
    16 NO_PERMISSION
    /// Clients depend on it for routes.
    17 TOPIC_NOT_EXIST
    /// Unused.
    18 TOPIC_EXIST_ALREADY
    /// No new message.
    19 PULL_NOT_FOUND
    /// Nothing in the scanned range matched.
    20 PULL_RETRY_IMMEDIATELY
    /// Offset out of range: the client resets itself.
    21 PULL_OFFSET_MOVED
    /// No such offset, key value, message.
    22 QUERY_NOT_FOUND
    /// The expression does not parse.
    23 SUBSCRIPTION_PARSE_FAILED
    /// The group's heartbeat does not name the topic.
    24 SUBSCRIPTION_NOT_EXIST
    /// The heartbeat is older than the pull.
    25 SUBSCRIPTION_NOT_LATEST
    /// Unknown consumer group.
    26 SUBSCRIPTION_GROUP_NOT_EXIST
    /// SQL filter unknown.
    27 FILTER_DATA_NOT_EXIST
    /// SQL filter outdated.
    28 FILTER_DATA_NOT_LATEST
    /// A parameter out of its range.
    29 INVALID_PARAMETER
    /// Unused.
    200 TRANSACTION_SHOULD_COMMIT
    /// Unused.
    201 TRANSACTION_SHOULD_ROLLBACK
    /// Unused. Java spells it so.
    202 TRANSACTION_STATE_UNKNOW
    /// Unused.
    203 TRANSACTION_STATE_GROUP_WRONG
    /// Producers try elsewhere.
    204 NO_BUYER_ID
    /// Producers try elsewhere.
    205 NOT_IN_CURRENT_UNIT
    /// No member of the group is connected.
    206 CONSUMER_NOT_ONLINE
    /// A forwarded request timed out at the client.
    207 CONSUME_MSG_TIMEOUT
    /// Pop: ack of an offset outside the queue.
    208 NO_MESSAGE
    /// Pop: too many waiters.
    209 POLLING_FULL
    /// Pop: nothing within the poll time.
    210 POLLING_TIMEOUT
    /// Tools.
    211 BROKER_NOT_EXIST
    /// Tools.
    212 BROKER_DISPATCH_NOT_COMPLETE
    /// Tools.
    213 BROADCAST_CONSUMPTION
    /// Cold read throttling.
    215 FLOW_CONTROL
    /// Static topic moved.
    501 NOT_LEADER_FOR_QUEUE
    /// Transaction state machine.
    604 ILLEGAL_OPERATION
    /// Between brokers.
    -1000 RPC_UNKNOWN
    /// Between brokers.
    -1002 RPC_ADDR_IS_NULL
    /// Between brokers.
    -1004 RPC_SEND_TO_CHANNEL_FAILED
    /// Between brokers.
    -1006 RPC_TIME_OUT
    /// The broker is leaving: reconnect and resend.
    1500 GO_AWAY
    /// Controller.
    2000 CONTROLLER_FENCED_MASTER_EPOCH
    /// Controller.
    2001 CONTROLLER_FENCED_SYNC_STATE_SET_EPOCH
    /// Controller.
    2002 CONTROLLER_INVALID_MASTER
    /// Controller.
    2003 CONTROLLER_INVALID_REPLICAS
    /// Controller.
    2004 CONTROLLER_MASTER_NOT_AVAILABLE
    /// Controller.
    2005 CONTROLLER_INVALID_REQUEST
    /// Controller.
    2006 CONTROLLER_BROKER_NOT_ALIVE
    /// Controller.
    2007 CONTROLLER_NOT_LEADER
    /// Controller.
    2008 CONTROLLER_BROKER_METADATA_NOT_EXIST
    /// Controller.
    2009 CONTROLLER_INVALID_CLEAN_BROKER_METADATA
    /// Controller.
    2010 CONTROLLER_BROKER_NEED_TO_BE_REGISTERED
    /// Controller.
    2011 CONTROLLER_MASTER_STILL_EXIST
    /// Controller.
    2012 CONTROLLER_ELECT_MASTER_FAILED
    /// Controller.
    2013 CONTROLLER_ALTER_SYNC_STATE_SET_FAILED
    /// Controller.
    2014 CONTROLLER_BROKER_ID_INVALID
    /// Controller.
    2015 CONTROLLER_JRAFT_INTERNAL_ERROR
    /// Controller.
    2016 CONTROLLER_BROKER_LIVE_INFO_NOT_EXISTS
    /// A send would create one light queue too many. From brokers, in the controller's range.
    2017 LMQ_QUOTA_EXCEEDED
    /// Lite subscriptions. From brokers, in the controller's range.
    2018 LITE_SUBSCRIPTION_QUOTA_EXCEEDED
    /// Auth administration.
    3001 USER_NOT_EXIST
    /// Auth administration.
    3002 POLICY_NOT_EXIST
}

impl fmt::Display for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for ResponseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

macro_rules! languages {
    ($($number:literal $variant:ident $name:literal)*) => {
        /// What a peer is written in, as it says.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Language {
            $(#[doc = $name] $variant = $number,)*
        }

        impl Language {
            /// Its name on the wire.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Language::$variant => $name,)* }
            }

            /// From the binary header, or from JSON peers that send the number. Unknown ones are `Other`.
            #[must_use]
            pub const fn from_number(number: i64) -> Self {
                match number { $($number => Language::$variant,)* _ => Language::Other }
            }

            /// From JSON, in any case. Unknown ones are `Other`.
            #[must_use]
            pub fn from_name(name: &str) -> Self {
                $(if name.eq_ignore_ascii_case($name) { return Language::$variant; })*
                Language::Other
            }
        }
    };
}

languages! {
    0 Java "JAVA"
    1 Cpp "CPP"
    2 DotNet "DOTNET"
    3 Python "PYTHON"
    4 Delphi "DELPHI"
    5 Erlang "ERLANG"
    6 Ruby "RUBY"
    7 Other "OTHER"
    8 Http "HTTP"
    9 Go "GO"
    10 Php "PHP"
    11 Oms "OMS"
    12 Rust "RUST"
    13 NodeJs "NODE_JS"
}

impl Default for Language {
    /// What an absent `language` means.
    fn default() -> Self {
        Language::Java
    }
}
