package sandbox

// iamHandler returns the handler of an IAM action, nil if unknown.
func iamHandler(action string) handler {
	switch action {
	case "CreateOpenIDConnectProvider":
		return createProvider
	case "GetOpenIDConnectProvider":
		return getProvider
	case "ListOpenIDConnectProviders":
		return listProviders
	case "DeleteOpenIDConnectProvider":
		return deleteProvider
	case "AddClientIDToOpenIDConnectProvider":
		return addClientID
	case "RemoveClientIDFromOpenIDConnectProvider":
		return removeClientID
	case "UpdateOpenIDConnectProviderThumbprint":
		return updateThumbprints
	case "TagOpenIDConnectProvider":
		return tagProvider
	case "UntagOpenIDConnectProvider":
		return untagProvider
	case "ListOpenIDConnectProviderTags":
		return listProviderTags

	case "CreateRole":
		return createRole
	case "GetRole":
		return getRole
	case "ListRoles":
		return listRoles
	case "UpdateRole":
		return updateRole
	case "UpdateAssumeRolePolicy":
		return updateAssumeRolePolicy
	case "DeleteRole":
		return deleteRole
	case "TagRole":
		return tagRole
	case "UntagRole":
		return untagRole
	case "ListRoleTags":
		return listRoleTags
	case "PutRolePermissionsBoundary":
		return putBoundary
	case "DeleteRolePermissionsBoundary":
		return deleteBoundary

	case "CreateInstanceProfile":
		return createInstanceProfile
	case "GetInstanceProfile":
		return getInstanceProfile
	case "ListInstanceProfiles":
		return listInstanceProfiles
	case "ListInstanceProfilesForRole":
		return listInstanceProfilesForRole
	case "AddRoleToInstanceProfile":
		return addRoleToInstanceProfile
	case "RemoveRoleFromInstanceProfile":
		return removeRoleFromInstanceProfile
	case "DeleteInstanceProfile":
		return deleteInstanceProfile

	case "AttachRolePolicy":
		return attachRolePolicy
	case "DetachRolePolicy":
		return detachRolePolicy
	case "ListAttachedRolePolicies":
		return listAttachedRolePolicies
	case "PutRolePolicy":
		return putRolePolicy
	case "GetRolePolicy":
		return getRolePolicy
	case "ListRolePolicies":
		return listRolePolicies
	case "DeleteRolePolicy":
		return deleteRolePolicy

	case "CreatePolicy":
		return createPolicy
	case "GetPolicy":
		return getPolicy
	case "GetPolicyVersion":
		return getPolicyVersion
	case "ListPolicies":
		return listPolicies
	case "ListEntitiesForPolicy":
		return listEntitiesForPolicy
	case "DeletePolicy":
		return deletePolicy

	case "GetAccountAuthorizationDetails":
		return getAccountAuthorizationDetails
	case "GetAccountSummary":
		return getAccountSummary
	case "ListAccountAliases":
		return listAccountAliases
	}
	return nil
}
