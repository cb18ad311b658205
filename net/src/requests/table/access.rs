//! Rows of users and access control.

/// Hands these rows to the next family, behind the rows of the families before. See `table.rs`.
#[rustfmt::skip]
macro_rules! access {
    ([$next:ident $($later:ident)*] $($before:tt)*) => { $next! { [$($later)*] $($before)*

    /// Creates a user; body UserInfo.
    3001 AUTH_CREATE_USER AuthCreateUser<'a> AdminWrite "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// Changes a user; body UserInfo.
    3002 AUTH_UPDATE_USER AuthUpdateUser<'a> AdminWrite "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// Deletes a user.
    3003 AUTH_DELETE_USER AuthDeleteUser<'a> AdminWrite "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// One user; body UserInfo.
    3004 AUTH_GET_USER AuthGetUser<'a> AdminRead "A>B" {
        username: Option<Text<'a>> = "username",
    } => NoHeader;
    /// Users.
    3005 AUTH_LIST_USER AuthListUser<'a> AdminRead "A>B" {
        filter: Option<Text<'a>> = "filter",
    } => NoHeader;
    /// Creates policies; body AclInfo.
    3006 AUTH_CREATE_ACL AuthCreateAcl<'a> AdminWrite "A>B" {
        subject: Option<Text<'a>> = "subject",
    } => NoHeader;
    /// Changes policies; body AclInfo.
    3007 AUTH_UPDATE_ACL AuthUpdateAcl<'a> AdminWrite "A>B" {
        subject: Option<Text<'a>> = "subject",
    } => NoHeader;
    /// Deletes policies.
    3008 AUTH_DELETE_ACL AuthDeleteAcl<'a> AdminWrite "A>B" {
        subject: Option<Text<'a>> = "subject",
        policy_type: Option<Text<'a>> = "policyType",
        resource: Option<Text<'a>> = "resource",
    } => NoHeader;
    /// Policies of one subject; body AclInfo.
    3009 AUTH_GET_ACL AuthGetAcl<'a> AdminRead "A>B" {
        subject: Option<Text<'a>> = "subject",
    } => NoHeader;
    /// Policies.
    3010 AUTH_LIST_ACL AuthListAcl<'a> AdminRead "A>B" {
        subject_filter: Option<Text<'a>> = "subjectFilter",
        resource_filter: Option<Text<'a>> = "resourceFilter",
    } => NoHeader;

    } };
}

pub(super) use access;
