package azure

// The token endpoints of Entra: client assertions, signed with a certificate or by a federated issuer.
var (
	FederationMissing = message(401, "AADSTS70025",
		"The client '{app}'({name}) has no configured federated identity credentials.", "recorded since 2024")
	AssertionTooLong = message(400, "AADSTS70023",
		"External OIDC Provider token must have a lifetime of less than or equal to 1.01:00:00. Token issued at {issued}. Token expires on {expires}.",
		"github.com/MicrosoftDocs/azure-docs/issues/116275")
	CertificateUnknown = message(401, "AADSTS700027",
		"The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '{thumbprint}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{app}'. Review the documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/{app}'].",
		"recorded")
	CertificateExpired = message(401, "AADSTS700027",
		"The certificate with identifier used to sign the client assertion is expired on application. [Reason - The key used is expired., Thumbprint of key used by client: '{thumbprint}', Found key 'Start={start}, End={end}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{app}'. Review the documentation at https://docs.microsoft.com/en-us/graph/deployments to determine the corresponding service endpoint and https://docs.microsoft.com/en-us/graph/api/application-get?view=graph-rest-1.0&tabs=http to build a query request URL, such as 'https://graph.microsoft.com/beta/applications/{app}'].",
		"recorded")
	AssertionSignature = message(401, "AADSTS700027",
		"Client assertion failed signature validation.", "recorded")
	AssertionClient = message(401, "AADSTS700021",
		"Client assertion application identifier doesn't match 'client_id' parameter. Review the documentation at https://learn.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials .",
		"Microsoft Learn: troubleshoot client assertions")
	AssertionAudience = message(401, "AADSTS700023",
		"Client assertion audience claim does not match Realm issuer. Review the documentation at https://learn.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials .",
		"Microsoft Learn: troubleshoot client assertions")
)

// The token endpoints of Entra: users.
var (
	PasswordWrong = message(400, "AADSTS50126",
		"Error validating credentials due to invalid username or password.", "recorded")
	UserNotFound = message(400, "AADSTS50034",
		"The user account {user} does not exist in the {tenant} directory. To sign into this application, the account must be added to the directory.", "recorded")
	UserDisabled = message(400, "AADSTS50057",
		"The user account is disabled.", "recorded")
	RefreshTokenMalformed = message(400, "AADSTS9002313",
		"Invalid request. Request is malformed or invalid.", "recorded")
	RefreshTokenExpired = message(400, "AADSTS700082",
		"The refresh token has expired due to inactivity. The token was issued on {issued} and was inactive for 90.00:00:00.", "recorded")
	RefreshTokenRevoked = message(400, "AADSTS50173",
		"The provided grant has expired due to it being revoked, a fresh auth token is needed. The user might have changed or reset their password. The grant was issued on '{issued}' and the TokensValidFrom date (before which tokens are not valid) for this user is '{from}'.",
		"recorded")
)

// Microsoft Graph: certificates and federated credentials of applications.
var (
	GraphKeyInvalid = message(400, "KeyCredentialsInvalidCertificate",
		"Key credential is invalid: the key is not an X.509 certificate.", "the code: Microsoft Graph; the words are not Graph's")
	GraphFederationNameInUse = message(409, "Request_MultipleObjectsWithSameKeyValue",
		"FederatedIdentityCredential with name {name} already exists.", "recorded")
	GraphFederationInUse = message(409, "Request_MultipleObjectsWithSameKeyValue",
		"A federated identity credential with the same issuer and subject already exists on the application.", "the code: Microsoft Graph; the words are not Graph's")
	GraphFederationLimit = message(400, "Request_BadRequest",
		"The number of federated identity credentials exceeds the limit of {limit}.", "the limit: Microsoft Graph, federated identity credentials; the words are not Graph's")
)
