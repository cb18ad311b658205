//! Consumer groups as administrators see them: requests 200, 225, 207, 5003, 201, 352, 353. behaviour.md 4.4.

use net::body::{
    GroupForbidden, GroupNameList, SubscriptionGroupConfig, SubscriptionGroupList, SubscriptionGroupWrapper,
};
use net::json::{self, Style};
use net::names::{self, DLQ_PREFIX, RETRY_PREFIX};
use net::requests::{
    DeleteSubscriptiongroup, GetAllSubscriptiongroupConfig, GetSubscriptiongroupConfig,
    UpdateAndGetGroupForbidden,
};
use rt::{Env, Now};

use super::topics::read;
use crate::attributes;
use crate::call::{Call, Outcome, Refused};
use crate::shard::Shard;

impl<E: Env> Shard<E> {
    pub(crate) fn update_group(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let config = self.checked_group(read(body, "a subscription group")?)?;
        self.put_group(config, call.now);
        self.answer_when_durable(call)
    }

    pub(crate) fn update_groups(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let list: SubscriptionGroupList = read(body, "a list of subscription groups")?;
        let configs: Vec<SubscriptionGroupConfig> =
            list.groups.into_iter().map(|config| self.checked_group(config)).collect::<Result<_, _>>()?;
        for config in configs {
            self.put_group(config, call.now);
        }
        self.answer_when_durable(call)
    }

    pub(crate) fn delete_group(&mut self, call: &Call<'_>, request: &DeleteSubscriptiongroup<'_>) -> Outcome {
        self.drop_group(request.group_name, request.clean_offset, call.now);
        self.answer_when_durable(call)
    }

    pub(crate) fn delete_groups(&mut self, call: &Call<'_>, body: &[u8]) -> Outcome {
        let list: GroupNameList = read(body, "a list of groups")?;
        if list.groups.is_empty() || list.groups.iter().any(|group| group.trim().is_empty()) {
            return Err(Refused::invalid("The group list is empty or names a blank group."));
        }
        for group in &list.groups {
            self.drop_group(group, list.clean_offset, call.now);
        }
        self.answer_when_durable(call)
    }

    /// All groups at once, without a total, so that callers stop after one page (since-5.3.md 4.1).
    pub(crate) fn all_groups(
        &mut self,
        call: &Call<'_>,
        _request: &GetAllSubscriptiongroupConfig<'_>,
    ) -> Outcome {
        let forbidden = self.groups.forbidden_table().iter().map(|(group, topics)| {
            (group.to_string(), topics.iter().map(|(topic, bits)| (topic.to_string(), *bits)).collect())
        });
        let wrapper = SubscriptionGroupWrapper {
            data_version: self.groups.version().wire().clone(),
            forbidden: forbidden.collect(),
            groups: self
                .groups
                .sorted()
                .into_iter()
                .map(|one| (one.group_name.clone(), one.clone()))
                .collect(),
        };
        let body = json::to_vec(&wrapper, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn group_config(
        &mut self,
        call: &Call<'_>,
        request: &GetSubscriptiongroupConfig<'_>,
    ) -> Outcome {
        let config = self.groups.get(request.group).ok_or_else(|| Refused::no_group(request.group))?;
        let body = json::to_vec(config, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    pub(crate) fn group_forbidden(
        &mut self,
        call: &Call<'_>,
        request: &UpdateAndGetGroupForbidden<'_>,
    ) -> Outcome {
        if let Some(readable) = request.readable {
            names::check_group(request.group).map_err(|error| Refused::invalid(error.to_string()))?;
            names::check_topic(request.topic).map_err(|error| Refused::invalid(error.to_string()))?;
            self.put_forbidden(request.group, request.topic, !readable, call.now);
        }
        let answer = GroupForbidden {
            group: request.group.to_owned(),
            readable: !self.groups.is_forbidden(request.group, request.topic),
            topic: request.topic.to_owned(),
        };
        let body = json::to_vec(&answer, Style::Raw);
        self.answer_body(call.conn, call.reply, &body)
    }

    fn checked_group(&self, mut config: SubscriptionGroupConfig) -> Result<SubscriptionGroupConfig, Refused> {
        names::check_group(&config.group_name).map_err(|error| Refused::invalid(error.to_string()))?;
        let known = self.groups.get(&config.group_name).map(|group| group.attributes.clone());
        let signed = std::mem::take(&mut config.attributes);
        config.attributes =
            attributes::apply_map(known, &signed, &attributes::GROUP).map_err(Refused::invalid)?;
        Ok(config)
    }

    fn drop_group(&mut self, group: &str, with_offsets: bool, now: Now) {
        self.remove_group(group, with_offsets, now);
        if with_offsets {
            for prefix in [RETRY_PREFIX, DLQ_PREFIX] {
                self.remove_topic(&format!("{prefix}{group}"), now);
            }
        }
    }
}
