package finding

// Relative is a rule or a control of others that is about the same, so that who knows that one finds their way.
type Relative struct {
	Catalogue string `json:"catalogue"` // Azure Policy, checkov, PSRule for Azure, or a benchmark with its version
	ID        string `json:"id"`        // of a built-in policy the name of its definition
}

// The catalogues.
const (
	azurePolicy = "Azure Policy"
	checkov     = "checkov"
	psRule      = "PSRule for Azure"
	mcsb        = "Microsoft cloud security benchmark" // v1
	cis         = "CIS AKS Benchmark 1.3"
)

// Relatives are the relatives of a rule, as far as it has any.
func (r *Rule) Relatives() []Relative { return relatives[r.ID] }

// relatives stand here and not with the rules, so that they can be compared with their catalogues at one glance. Sources:
// Azure/azure-policy, bridgecrewio/checkov, Azure/PSRule.Rules.Azure, aquasecurity/kube-bench (cfg/aks-1.3).
var relatives = map[string][]Relative{
	registryAdminUser.ID: {{azurePolicy, "dc921057-6b28-4fbe-9b83-f7bec05db6c2"}, {checkov, "CKV_AZURE_137"}, {psRule, "Azure.ACR.AdminUser"}, {cis, "5.1.2"}},
	registryAnonymousPull.ID: {{azurePolicy, "9f2dea28-e834-476c-99c5-3507b4728395"}, {checkov, "CKV_AZURE_138"}, {psRule, "Azure.ACR.AnonymousAccess"},
		{cis, "5.1.2"}},
	registryRefusesARMTokens.ID: {{azurePolicy, "42781ec6-6127-4c30-bdfa-fb423a0047d3"}}, // which asks for it
	localAccounts.ID: {{azurePolicy, "993c2fcd-2b29-49d2-9eb0-df2c3a730c32"}, {checkov, "CKV_AZURE_141"}, {psRule, "Azure.AKS.LocalAccounts"},
		{mcsb, "IM-1"}},
	servicePrincipal.ID:         {{azurePolicy, "da6e2401-19da-4532-9141-fb8fbde08431"}, {psRule, "Azure.AKS.ManagedIdentity"}, {mcsb, "IM-3"}},
	podIdentity.ID:              {{azurePolicy, "2cc2e023-0dac-4046-875b-178f683929d5"}},
	broadRole.ID:                {{mcsb, "PA-7"}},
	wideScope.ID:                {{mcsb, "PA-7"}},
	canGrantRoles.ID:            {{mcsb, "PA-7"}},
	orphanedAssignment.ID:       {{mcsb, "PA-4"}},
	dataRoleOnInfrastructure.ID: {{cis, "5.2.1"}},
	sharedIdentity.ID:           {{cis, "5.2.1"}},
	workloadAsInfrastructure.ID: {{cis, "5.2.1"}},
}
