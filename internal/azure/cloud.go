package azure

import (
	"net/url"
	"strings"
)

// Cloud is a deployment of Azure: where its services answer, and for whom its tokens are made out.
type Cloud struct {
	Name           string   // as az names it
	Aliases        []string // what else clients call it
	ARM            string   // base URL of the resource manager, without a trailing slash
	Audience       string   // resource of ARM's tokens, in the spelling that Azure expects
	Authority      string   // base URL of Entra, with a trailing slash
	Graph          string   // base URL of Microsoft Graph and resource of its tokens, without a trailing slash
	RegistrySuffix string   // of registries' login servers
}

// Clouds are the public clouds (azure-cli core/cloud.py, azcore arm/runtime). The first is the default.
var Clouds = []Cloud{
	{
		Name: "AzureCloud", Aliases: []string{"public", "AzurePublicCloud", "AzurePublic"},
		ARM: "https://management.azure.com", Audience: "https://management.core.windows.net/",
		Authority: "https://login.microsoftonline.com/", Graph: "https://graph.microsoft.com",
		RegistrySuffix: ".azurecr.io",
	},
	{
		Name: "AzureUSGovernment", Aliases: []string{"usgovernment", "AzureUSGovernmentCloud", "AzureGovernment"},
		ARM: "https://management.usgovcloudapi.net", Audience: "https://management.core.usgovcloudapi.net/",
		Authority: "https://login.microsoftonline.us/", Graph: "https://graph.microsoft.us",
		RegistrySuffix: ".azurecr.us",
	},
	{
		Name: "AzureChinaCloud", Aliases: []string{"china", "AzureChina"},
		ARM: "https://management.chinacloudapi.cn", Audience: "https://management.core.chinacloudapi.cn/",
		Authority: "https://login.chinacloudapi.cn/", Graph: "https://microsoftgraph.chinacloudapi.cn",
		RegistrySuffix: ".azurecr.cn",
	},
}

// CloudNamed finds one of Clouds by name or alias, without case.
func CloudNamed(name string) (Cloud, bool) {
	for _, c := range Clouds {
		for _, n := range append([]string{c.Name}, c.Aliases...) {
			if strings.EqualFold(n, name) {
				return c, true
			}
		}
	}
	return Cloud{}, false
}

// CloudOfAuthority finds one of Clouds by its Entra host, as AZURE_AUTHORITY_HOST names it, with or without a scheme.
func CloudOfAuthority(authority string) (Cloud, bool) {
	host := hostOf(authority)
	for _, c := range Clouds {
		if host != "" && strings.EqualFold(hostOf(c.Authority), host) {
			return c, true
		}
	}
	return Cloud{}, false
}

func hostOf(s string) string {
	if !strings.Contains(s, "://") {
		s = "https://" + s
	}
	u, err := url.Parse(s)
	if err != nil {
		return ""
	}
	return u.Hostname()
}
