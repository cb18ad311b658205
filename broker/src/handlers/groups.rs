//! Consumer groups as administrators see them: requests 200, 225, 207, 5003, 201, 352, 353. behaviour.md 4.4.

use net::body::{
    GroupForbidden, GroupNameList, SubscriptionGroupConfig, SubscriptionGroupList, SubscriptionGroupWrapper,
};
use net::json::{self, Style};
use net::names::{self, DLQ_PREFIX, RETRY_PREFIX};
use net::requests::{
    DeleteSubscriptiongroup, GetAllSubscriptionGroupReply, GetAllSubscriptiongroupConfig,
    GetSubscriptiongroupConfig, UpdateAndGetGroupForbidden,
};
use net::{ResponseCode, reply};
use rt::{Env, Now};

use super::pages::{Asked, page};
use super::topics::read;
use crate::attributes;
use crate::call::{Call, Done, Outcome, Refused};
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

    /// All groups, or a page of them for a caller that asks for pages and needs them.
    pub(crate) fn all_groups(
        &mut self,
        call: &Call<'_>,
        request: &GetAllSubscriptiongroupConfig<'_>,
    ) -> Outcome {
        let all = self.groups.sorted();
        let forbidden = self.groups.forbidden_table();
        let body_of = |configs: &[&SubscriptionGroupConfig]| {
            let bits = |name: &str| {
                let topics = forbidden.get(name)?;
                Some((
                    name.to_owned(),
                    topics.iter().map(|(topic, bits)| (topic.to_string(), *bits)).collect(),
                ))
            };
            let wrapper = SubscriptionGroupWrapper {
                data_version: self.groups.version().wire().clone(),
                forbidden: configs.iter().filter_map(|one| bits(&one.group_name)).collect(),
                groups: configs.iter().map(|one| (one.group_name.clone(), (*one).clone())).collect(),
            };
            json::to_vec(&wrapper, Style::Raw)
        };
        let mut body = body_of(&all);
        let asked =
            Asked { seq: request.group_seq, max: request.max_group_num, version: request.data_version };
        let mut total_group_num = None;
        if let Some(range) = page(asked, all.len(), body.len(), self.groups.version().wire()) {
            total_group_num = i32::try_from(all.len()).ok();
            body = body_of(&all[range]);
        }
        let header = GetAllSubscriptionGroupReply { total_group_num };
        if let (Some(to), Some(out)) = (call.reply, self.connections.reply(call.conn)) {
            reply::with_body(out, to, ResponseCode::SUCCESS, None, &header, &body);
        }
        Ok(Done::Answered)
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
