//! Rows that Java defines and nobody handles.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! unhandled {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    /// No handler in Java.
    13 QUERY_BROKER_OFFSET QueryBrokerOffset Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    22 GET_TOPIC_CONFIG_LIST GetTopicConfigList Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    23 GET_TOPIC_NAME_LIST GetTopicNameList Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    27 TRIGGER_DELETE_FILES TriggerDeleteFiles Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    47 GET_CLIENT_CONFIG GetClientConfig Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    209 SUSPEND_CONSUMER SuspendConsumer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    210 RESUME_CONSUMER ResumeConsumer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    211 RESET_CONSUMER_OFFSET_IN_CONSUMER ResetConsumerOffsetInConsumer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    212 RESET_CONSUMER_OFFSET_IN_BROKER ResetConsumerOffsetInBroker Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    213 ADJUST_CONSUMER_THREAD_POOL AdjustConsumerThreadPool Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    214 WHO_CONSUME_THE_MESSAGE WhoConsumeTheMessage Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    301 REGISTER_FILTER_SERVER RegisterFilterServer Unsupported "-" {} => NoHeader;
    /// No handler in Java.
    302 REGISTER_MESSAGE_FILTER_CLASS RegisterMessageFilterClass Unsupported "-" {} => NoHeader;

    } };
}

pub(super) use unhandled;
