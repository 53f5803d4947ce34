package azure

// Tokens that ARM does not accept, continued.
var (
	AuthenticationInvalidHeader = message(401, "AuthenticationFailedInvalidHeader",
		"Authentication failed. The 'Authorization' header is provided in an invalid format.", "github.com/Azure/azure-cli/issues/5767")
	InvalidAuthenticationTokenNoObject = message(401, "InvalidAuthenticationToken",
		"The received access token is not valid: at least one of the claims 'puid' or 'altsecid' or 'oid' should be present. If you are accessing as application please make sure service principal is properly created in the tenant.",
		"github.com/Azure/azure-sdk-for-java/issues/1714")
	SessionRevoked = message(401, "InvalidAuthenticationToken",
		"User session has been revoked", "azure-sdk-for-js core-client: authorizeRequestOnClaimChallenge, an example of ARM's challenge")
)

// The token endpoints of Entra, continued.
var (
	ScopeNotDefault = message(400, "AADSTS1002012",
		"The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).",
		"github.com/MicrosoftDocs/azure-docs/issues/99862")
	ServicePrincipalMissing = message(401, "AADSTS7000229",
		"The client application {app} is missing service principal in the tenant {tenant}. See instructions here: https://go.microsoft.com/fwlink/?linkid=2225119",
		"recorded 2025")
	AssertionMalformed = message(400, "AADSTS50027",
		"JWT token is invalid or malformed.", "Microsoft Learn: Entra error codes")
	EntraInternal = message(500, "AADSTS90033",
		"A transient error has occurred. Please try again.", "Microsoft Learn: Entra error codes")
	TokenEndpointMethod = message(400, "AADSTS900561",
		"The endpoint only accepts {allowed} requests. Received a {method} request.", "recorded")
)

// The instance metadata service, continued.
var (
	MetadataParameterMissing = message(400, "invalid_request",
		"Required query variable '{name}' is missing", "recorded")
	MetadataVersionInvalid = message(400, "invalid_request",
		"Bad request. api-version is invalid or was not specified in the request. For more information refer to aka.ms/azureimds", "recorded")
	MetadataVersionMissing = message(400, "invalid_request",
		"Bad request. api-version was not specified in the request. For more information refer to aka.ms/azureimds", "Microsoft Learn: instance metadata service")
	MetadataForwarded = message(400, "invalid_request",
		"Bad request. The request must not contain an X-Forwarded-For header.", "Microsoft Learn: instance metadata service, security; the words are not Azure's")
)

// Microsoft Graph: tokens.
var (
	GraphTokenEmpty = message(401, "InvalidAuthenticationToken",
		"Access token is empty.", "recorded")
	GraphTokenMalformed = message(401, "InvalidAuthenticationToken",
		"Access token validation failure.", "recorded")
	GraphTokenAudience = message(401, "InvalidAuthenticationToken",
		"Access token validation failure. Invalid audience.", "recorded")
	GraphTokenExpired = message(401, "InvalidAuthenticationToken",
		"Lifetime validation failed, the token is expired.", "recorded")
	GraphTokenNotYetValid = message(401, "InvalidAuthenticationToken",
		"Access token has expired or is not yet valid.", "recorded")
	GraphTokenRevoked = message(401, "InvalidAuthenticationToken",
		"Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp",
		"github.com/Azure/azure-cli/issues/26504")
	GraphIdentityNotFound = message(401, "Authorization_IdentityNotFound",
		"The identity of the calling application could not be established.", "recorded")
)

// Microsoft Graph: requests.
var (
	GraphNotFound = message(404, "Request_ResourceNotFound",
		"Resource '{id}' does not exist or one of its queried reference-property objects are not present.", "recorded")
	GraphInvalidID = message(400, "Request_BadRequest",
		"Invalid object identifier '{id}'.", "recorded")
	GraphSegmentNotFound = message(400, "BadRequest",
		"Resource not found for the segment '{segment}'.", "recorded")
	GraphMethodNotAllowed = message(405, "Request_BadRequest",
		"Specified HTTP method is not allowed for the request target.", "recorded")
	GraphDelegatedOnly = message(400, "BadRequest",
		"/me request is only valid with delegated authentication flow.", "github.com/microsoftgraph/msgraph-sdk-php/issues/1163")
	GraphFilterUnsupported = message(400, "Request_UnsupportedQuery",
		"Unsupported or invalid query filter clause specified for property '{property}' of resource '{resource}'.",
		"github.com/microsoftgraph/microsoft-graph-docs-contrib/issues/1726")
	GraphFilterInvalid = message(400, "BadRequest",
		"Invalid filter clause: {cause}", "the first words are recorded")
	GraphSortUnsupported = message(400, "Request_UnsupportedQuery",
		"Sorting not supported for current query.", "github.com/microsoftgraph/microsoft-graph-docs/issues/13762")
	GraphOptionUnsupported = message(400, "Request_UnsupportedQuery",
		"The query parameter '{option}' is not supported.", "the words are not Azure's")
	GraphPageSize = message(400, "Request_UnsupportedQuery",
		"Invalid page size specified: '{size}'. Must be between 1 and 999 inclusive.", "recorded")
	GraphPageToken = message(400, "Directory_ExpiredPageToken",
		"The specified page token value has expired and can no longer be included in your request.", "recorded")
	GraphUnknownProperty = message(400, "BadRequest",
		"Parsing OData Select and Expand failed: Could not find a property named '{property}' on type 'microsoft.graph.{type}'.", "recorded")
	GraphBody = message(400, "BadRequest",
		"Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.", "recorded")
	GraphInvalidProperty = message(400, "Request_BadRequest",
		"Invalid property '{property}'.", "recorded")
	GraphInvalidValue = message(400, "Request_BadRequest",
		"Invalid value specified for property '{property}' of resource '{resource}'.", "recorded")
	GraphRequired = message(400, "Request_BadRequest",
		"A value is required for property '{property}' of resource '{resource}'.", "recorded")
	GraphNoApplication = message(400, "NoBackingApplicationObject",
		"The appId '{app}' of the service principal does not reference a valid application object.", "recorded")
	GraphNameInUse = message(409, "Request_MultipleObjectsWithSameKeyValue",
		"The service principal cannot be created, updated, or restored because the service principal name {app} is already in use.", "recorded")
	GraphKeyInUse = message(400, "Request_BadRequest",
		"Another object with the same value for property {property} already exists.", "recorded")
	GraphReferenceExists = message(400, "Request_BadRequest",
		"One or more added object references already exist for the following modified properties: '{property}'.", "azure-cli: role/custom.py")
	GraphNoSuchKey = message(400, "Request_BadRequest",
		"No password credential found with keyId.", "recorded")
	GraphInternal = message(500, "InternalServerError",
		"An internal server error has occurred.", "recorded")
)
