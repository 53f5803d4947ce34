package template

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"aksid/internal/azure"
)

const groupSchema = `"$schema": "https://schema.management.azure.com/schemas/2019-04-01/deploymentTemplate.json#", "contentVersion": "1.0.0.0"`

// in is a deployment whose surroundings are all known.
func in(t *testing.T, text string) *Deployment {
	t.Helper()
	parsed, err := Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &Deployment{Template: parsed, Name: "main", Tenant: azure.MustGUID("aaaaaaaa-0000-0000-0000-000000000001"),
		Subscription: azure.MustGUID("11068ed9-6c31-4a47-8183-4eca6d84bb32"), Group: "myRg", ManagementGroup: "mg", Location: "westeurope",
		Deployer: azure.MustGUID("aaaaaaaa-0000-0000-0000-000000000002"),
		Now:      time.Date(2019, 3, 5, 17, 53, 18, 0, time.UTC), NewGUID: func() azure.GUID { return azure.MustGUID("aaaaaaaa-0000-4000-8000-000000000003") }}
}

// output evaluates an expression as an output.
func output(t *testing.T, expression string) (string, []*Error) {
	t.Helper()
	quoted, _ := json.Marshal("[" + expression + "]")
	r := in(t, `{`+groupSchema+`, "resources": [], "outputs": {"x": {"type": "object", "value": `+string(quoted)+`}}}`).Evaluate()
	if len(r.Errors) > 0 || len(r.Outputs) == 0 {
		return "", r.Errors
	}
	b, err := json.Marshal(r.Outputs[0].Value)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), nil
}

// Known answers: those with a source are its own; the others follow from the functions' documents in Microsoft Learn.
func TestFunctions(t *testing.T) {
	const dogs = `createArray(createObject('name','Evie','age',5),createObject('name','Casper','age',3),createObject('name','Indy','age',2),createObject('name','Kira','age',8))`
	for _, c := range []struct{ expr, want string }{
		// what ARM's engine gave to Bicep's tests of literals (FunctionResolverTests)
		{`base64(' Fizz ')`, `"IEZpenog"`},
		{`base64ToString('IEZpenog')`, `" Fizz "`},
		{`dataUri(' Fizz ')`, `"data:text/plain;charset=utf-8;base64,IEZpenog"`},
		{`dataUriToString('data:text/plain;charset=utf-8;base64,IEZpenog')`, `" Fizz "`},
		{`first('Fizz')`, `"F"`},
		{`last('Fizz')`, `"z"`},
		{`toLower(' Fizz ')`, `" fizz "`},
		{`toUpper(' Fizz ')`, `" FIZZ "`},
		{`trim(' Fizz ')`, `"Fizz"`},
		{`uriComponent(' Fizz ')`, `"%20Fizz%20"`},
		{`uriComponentToString('%20Fizz%20')`, `" Fizz "`},
		{`uniqueString('snap', 'crackle', 'pop')`, `"byghxckddilkc"`},
		{`guid('foo', 'bar', 'baz')`, `"2ed86837-7c7c-5eaa-9864-dd077fd19b0d"`},
		{`replace('foot', 't', 'd')`, `"food"`},
		{`format('{0}/{1}/{2}/{3}', 1, 2, 3, true())`, `"1/2/3/True"`},
		{`padLeft('00', 5, ' ')`, `"   00"`},
		{`length('table')`, `5`},
		{`uri('https://github.com/another/repo', '/Azure/bicep')`, `"https://github.com/Azure/bicep"`},
		{`substring('foot', 0, 3)`, `"foo"`},
		{`take('foot', 3)`, `"foo"`},
		{`skip('foot', 3)`, `"t"`},
		{`empty('non-empty string')`, `false`},
		{`contains('foot', 'foo')`, `true`},
		{`indexOf('food', 'o')`, `1`},
		{`lastIndexOf('food', 'o')`, `2`},
		{`startsWith('food', 'foo')`, `true`},
		{`endsWith('foot', 't')`, `true`},
		{`min(10, 4, 1, 6)`, `1`},
		{`max(createArray(10, 4, 1, 6))`, `10`},
		{`split('fizz,buzz,pop', ',')`, `["fizz","buzz","pop"]`},
		{`first(createArray())`, `null`},
		{`last(createArray())`, `null`},
		{`indexOf(createArray('fizz', 'buzz', 'pop', 'fizz'), 'fizz')`, `0`},
		{`lastIndexOf(createArray('fizz', 'buzz', 'pop', 'fizz'), 'fizz')`, `3`},
		{`join(createArray('abc', 123, true()), '/')`, `"abc/123/True"`},
		// what it gave to Bicep's tests of parameter files (baselines_bicepparam/Expressions)
		{`base64ToJson(base64('{"hi": "there"}')).hi`, `"there"`},
		{`dateTimeAdd(dateTimeFromEpoch(1680224438), 'P1D')`, `"2023-04-01T01:00:38Z"`},
		{`dateTimeToEpoch(dateTimeFromEpoch(1680224438))`, `1680224438`},
		{`guid('asdf')`, `"228d27cc-6fdb-5934-b7ac-1efccebade04"`},
		{`items(createObject('foo', 'abc', 'bar', 123))`, `[{"key":"bar","value":123},{"key":"foo","value":"abc"}]`},
		{`padLeft(13, 5)`, `"   13"`},
		{`reduce(createArray('a', 'b', 'c'), '', lambda('a', 'b', format('{0}-{1}', lambdaVariables('a'), lambdaVariables('b'))))`, `"-a-b-c"`},
		{`sort(createArray('c', 'd', 'a'), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))`, `["a","c","d"]`},
		{`substring('asdfasf', 3)`, `"fasf"`},
		{`toObject(createArray('a', 'b'), lambda('x', lambdaVariables('x')), lambda('x', format('Hi {0}!', lambdaVariables('x'))))`, `{"a":"Hi a!","b":"Hi b!"}`},
		{`uniqueString('asd', 'asdf', 'asdf')`, `"iizpqit7ih3cc"`},
		{`uri('https://github.com', 'Azure/bicep')`, `"https://github.com/Azure/bicep"`},
		{`uriComponent('UB*8h 0+=_)9h9n')`, `"UB%2A8h%200%2B%3D_%299h9n"`},
		{`uriComponentToString('%20%25%20')`, `" % "`},
		{`format('store{0}', uniqueString(resourceGroup().id))`, `"storepwt7yebfrftwu"`}, // SnapshotCommandTests
		// examples of Microsoft Learn
		{`dateTimeAdd('2020-04-07 14:53:14Z', 'P3Y')`, `"2023-04-07T14:53:14Z"`},
		{`dateTimeAdd('2020-04-07 14:53:14Z', '-P9D')`, `"2020-03-29T14:53:14Z"`},
		{`dateTimeAdd('2020-04-07 14:53:14Z', 'PT1H')`, `"2020-04-07T15:53:14Z"`},
		{`parseCidr('10.144.0.0/20')`, `{"broadcast":"10.144.15.255","cidr":20,"firstUsable":"10.144.0.1","lastUsable":"10.144.15.254","netmask":"255.255.240.0","network":"10.144.0.0"}`},
		{`parseCidr('fdad:3236:5555::/48')`, `{"cidr":48,"firstUsable":"fdad:3236:5555::","lastUsable":"fdad:3236:5555:ffff:ffff:ffff:ffff:ffff","netmask":"ffff:ffff:ffff::","network":"fdad:3236:5555::"}`},
		{`map(range(0, 5), lambda('i', cidrSubnet('10.144.0.0/20', 24, lambdaVariables('i'))))`, `["10.144.0.0/24","10.144.1.0/24","10.144.2.0/24","10.144.3.0/24","10.144.4.0/24"]`},
		{`map(range(0, 5), lambda('i', cidrSubnet('fdad:3236:5555::/48', 52, lambdaVariables('i'))))`, `["fdad:3236:5555::/52","fdad:3236:5555:1000::/52","fdad:3236:5555:2000::/52","fdad:3236:5555:3000::/52","fdad:3236:5555:4000::/52"]`},
		{`map(range(0, 5), lambda('i', cidrHost('10.144.3.0/24', lambdaVariables('i'))))`, `["10.144.3.1","10.144.3.2","10.144.3.3","10.144.3.4","10.144.3.5"]`},
		{`map(range(0, 2), lambda('i', cidrHost('fdad:3236:5555:3::/64', lambdaVariables('i'))))`, `["fdad:3236:5555:3::1","fdad:3236:5555:3::2"]`},
		{`filter(` + dogs + `, lambda('dog', greaterOrEquals(lambdaVariables('dog').age, 5)))`, `[{"age":5,"name":"Evie"},{"age":8,"name":"Kira"}]`},
		{`map(` + dogs + `, lambda('dog', 'i', format('{0}{1}', lambdaVariables('i'), lambdaVariables('dog').name)))`, `["0Evie","1Casper","2Indy","3Kira"]`},
		{`sort(` + dogs + `, lambda('a', 'b', less(lambdaVariables('a').age, lambdaVariables('b').age)))[0].name`, `"Indy"`},
		{`reduce(map(` + dogs + `, lambda('d', lambdaVariables('d').age)), 0, lambda('cur', 'next', add(lambdaVariables('cur'), lambdaVariables('next'))))`, `18`},
		{`groupBy(createArray('foo', 'bar', 'baz'), lambda('x', substring(lambdaVariables('x'), 0, 1)))`, `{"b":["bar","baz"],"f":["foo"]}`},
		{`groupBy(createArray('foo', 'bar', 'baz'), lambda('x', substring(lambdaVariables('x'), 0, 1)), lambda('x', toUpper(lambdaVariables('x'))))`, `{"b":["BAR","BAZ"],"f":["FOO"]}`},
		{`mapValues(createObject('foo', 'foo', 'bar', 'bar'), lambda('val', toUpper(lambdaVariables('val'))))`, `{"bar":"BAR","foo":"FOO"}`},
		{`objectKeys(createObject('b', 1, 'a', 2))`, `["a","b"]`},
		{`shallowMerge(createArray(createObject('one', 'a', 'two', createObject('b', 1)), createObject('two', createObject('c', 2))))`, `{"one":"a","two":{"c":2}}`},
		{`union(createObject('property', createObject('one', 'a', 'three', 'c1'), 'nestedArray', createArray(1, 2)), createObject('property', createObject('three', 'c2', 'four', 'd'), 'nestedArray', createArray(3, 4)))`,
			`{"nestedArray":[3,4],"property":{"four":"d","one":"a","three":"c2"}}`},
		{`union(createArray(createArray('one', 'two'), createArray('three')), createArray(createArray('three'), createArray('four', 'two')))`, `[["one","two"],["three"],["four","two"]]`},
		{`intersection(createObject('one', 'a', 'two', 'b', 'three', 'c'), createObject('one', 'a', 'two', 'z', 'three', 'c'))`, `{"one":"a","three":"c"}`},
		{`intersection(createArray('one', 'two', 'three'), createArray('two', 'three'))`, `["two","three"]`},
		{`format('{0}, {1}. Formatted number: {2:N0}', 'Hello', 'User', 8175133)`, `"Hello, User. Formatted number: 8,175,133"`},
		{`padLeft('123', 10, '0')`, `"0000000123"`},
		{`string(createObject('valueA', 10, 'valueB', 'Example Text'))`, `"{\"valueA\":10,\"valueB\":\"Example Text\"}"`},
		{`string(createArray('a', 'b', 'c'))`, `"[\"a\",\"b\",\"c\"]"`},
		{`string(5)`, `"5"`},
		{`split('one;two,three', createArray(',', ';'))`, `["one","two","three"]`},
		{`uri('http://contoso.org/firstpath', 'myscript.sh')`, `"http://contoso.org/myscript.sh"`},
		{`uri('http://contoso.org/firstpath/', 'myscript.sh')`, `"http://contoso.org/firstpath/myscript.sh"`},
		{`json('{"a": "b"}').a`, `"b"`},
		{`empty(json('null'))`, `true`},
		{`flatten(createArray(createArray('one', 'two'), createArray('three'), createArray('four')))`, `["one","two","three","four"]`},
		{`coalesce(null(), null(), 'default')`, `"default"`},
		{`indexOf('abcdef', 'CD')`, `2`},
		{`startsWith('abcdef', 'AB')`, `true`},
		{`endsWith('abcdef', 'EF')`, `true`},
		{`contains(createObject('one', 'a'), 'ONE')`, `true`},
		{`contains('OneTwo', 'one')`, `false`},
		{`resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')`, `"/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/myRg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"`},
		{`resourceId('otherGroup', 'Microsoft.Storage/storageAccounts', 'e')`, `"/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/otherGroup/providers/Microsoft.Storage/storageAccounts/e"`},
		{`resourceId('11111111-1111-1111-1111-111111111111', 'otherGroup', 'Microsoft.Storage/storageAccounts', 'e')`, `"/subscriptions/11111111-1111-1111-1111-111111111111/resourceGroups/otherGroup/providers/Microsoft.Storage/storageAccounts/e"`},
		{`subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'r')`, `"/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/providers/Microsoft.Authorization/roleDefinitions/r"`},
		{`subscriptionResourceId('11111111-1111-1111-1111-111111111111', 'Microsoft.Authorization/roleDefinitions', 'r')`, `"/subscriptions/11111111-1111-1111-1111-111111111111/providers/Microsoft.Authorization/roleDefinitions/r"`},
		{`tenantResourceId('Microsoft.Authorization/roleDefinitions', 'r')`, `"/providers/Microsoft.Authorization/roleDefinitions/r"`},
		{`managementGroupResourceId('other', 'Microsoft.Authorization/policyDefinitions', 'p')`, `"/providers/Microsoft.Management/managementGroups/other/providers/Microsoft.Authorization/policyDefinitions/p"`},
		{`extensionResourceId(resourceGroup().id, 'Microsoft.Authorization/locks', 'l')`, `"/subscriptions/11068ed9-6c31-4a47-8183-4eca6d84bb32/resourceGroups/myRg/providers/Microsoft.Authorization/locks/l"`},
		// edges
		{`concat('a', 1, true(), null())`, `"a1True"`},
		{`concat(createArray(1), createArray(), createArray(2))`, `[1,2]`},
		{`concat()`, `""`},
		{`createArray()`, `[]`},
		{`createObject()`, `{}`},
		{`array('x')`, `["x"]`},
		{`array(createArray(1))`, `[1]`},
		{`string(createObject('a', createArray(true(), null(), 'é"\')))`, `"{\"a\":[true,null,\"é\\\"\\\\\"]}"`},
		{`json('1.50')`, `1.50`},
		{`json('[1, 2 /* three */]')`, `[1,2]`},
		{`float('3')`, `3`},
		{`float('1.5')`, `1.5`},
		{`int('-12')`, `-12`},
		{`bool('TRUE')`, `true`},
		{`bool(0)`, `false`},
		{`div(8, 3)`, `2`},
		{`mod(7, 3)`, `1`},
		{`sub(3, 5)`, `-2`},
		{`mul(-4, 3)`, `-12`},
		{`mul(-9223372036854775808, 1)`, `-9223372036854775808`},
		{`equals('a', 'A')`, `false`},
		{`equals(1, json('1.0'))`, `true`},
		{`equals(createObject('a', 1, 'b', createArray(2)), createObject('b', createArray(2), 'a', 1))`, `true`},
		{`equals('1', 1)`, `false`},
		{`greater('b', 'a')`, `true`},
		{`lessOrEquals(2, 2)`, `true`},
		{`distinct(createArray('a', 'b', 'a', 1, 1))`, `["a","b",1]`},
		{`like('abcdef', 'a*C*')`, `true`},
		{`like('abcabc', '*abc')`, `true`},
		{`like('aXa', 'a*a*a')`, `false`},
		{`like('', '***')`, `true`},
		{`like('a', 'b')`, `false`},
		{`like('ab', 'a')`, `false`},
		{`and(true(), false(), fail('not reached'))`, `false`},
		{`or(false(), true(), fail('not reached'))`, `true`},
		{`not(false())`, `true`},
		{`if(true(), 'yes', fail('not reached'))`, `"yes"`},
		{`if(false(), fail('not reached'), 'no')`, `"no"`},
		{`null()`, `null`},
		{`range(5, 3)`, `[5,6,7]`},
		{`take(createArray(1, 2), 5)`, `[1,2]`},
		{`skip(createArray(1, 2), 5)`, `[]`},
		{`skip('abc', -1)`, `"abc"`},
		{`length('a😀')`, `3`},
		{`substring('a😀b', 3, 1)`, `"b"`},
		{`indexOf('😀b', 'B')`, `2`},
		{`first('')`, `""`},
		{`tryGet(createObject('a', createObject('b', 1)), 'a', 'b')`, `1`},
		{`tryGet(createObject('a', 1), 'x', 'y')`, `null`},
		{`tryGet(createArray(1), 3)`, `null`},
		{`tryGet(createObject('a', createArray(1, 2)), 'a', createObject('value', 1, 'fromEnd', true()))`, `2`},
		{`indexFromEnd(createArray(1, 2, 3), 1)`, `3`},
		{`tryIndexFromEnd(createArray(1), 2)`, `null`},
		{`createObject('A', 1).a`, `1`},
		{`createArray('a', 'b')[1]`, `"b"`},
		{`createObject('a b', 2)['a b']`, `2`},
		{`'it''s'`, `"it's"`},
		{`42`, `42`},
		{`sys.toUpper('a')`, `"A"`},
		{`TOUPPER('a')`, `"A"`},
		{" concat ( 'a' , \n 'b' ) ", `"ab"`},
		{`format('{{{0}}}', 1)`, `"{1}"`},
		{`format('{0,5}|{0,-5}|', 'ab')`, `"   ab|ab   |"`},
		{`format('{0:D3}|{0:X}|{0:x4}|{0:F1}|{0:N}|{0:P0}|{0:000}|{0:#,##0}|{0:00.0} h', 1234)`, `"1234|4D2|04d2|1234.0|1,234.00|123,400 %|1234|1,234|1234.0 h"`},
		{`format('{0:D2}', -5)`, `"-05"`},
		{`dateTimeAdd('20190305T175318Z', 'P1Y2M3DT4H5M6S')`, `"2020-05-08T21:58:24Z"`},
		{`dateTimeAdd('2020-02-29', '-P1Y', 'yyyy-MM-dd')`, `"2019-03-01"`},
		{`dateTimeAdd('2020-04-07T14:53:14+02:00', 'P0D', 'u')`, `"2020-04-07 12:53:14Z"`},
		{`dateTimeAdd('2020-04-07T14:03:04Z', 'PT0.5S', 'd M yy h:m:s.f tt ddd MMMM ''at'' K')`, `"7 4 20 2:3:4.5 PM Tue April at Z"`},
		{`dateTimeAdd('2020-04-07T14:03:04Z', 'PT0S', 'H y t z fffffff FF dddddd \h %d "q" R')`, `"14 20 P +0 0000000  Tuesday h 7 q R"`},
		{`dateTimeAdd('2020-04-07T14:03:04Z', 'P2W', 'R')`, `"Tue, 21 Apr 2020 14:03:04 GMT"`},
		{`format('{0:B}|{0:G}|{0:C}|{0:abc}', 5)`, `"101|5|¤5.00|abc"`},
		{`format('{0:#.00}|{1:#}', -5, 0)`, `"-5.00|"`},
		{`dataUriToString('data:,a%20b')`, `"a b"`},
		{`uri('https://h', '')`, `"https://h/"`},
		{`split('abc', '')`, `["abc"]`},
		{`like('ab', 'x*y*z')`, `false`},
		{`cidrHost('10.0.0.1/32', 0)`, `"10.0.0.1"`},
		{`sort(createArray(1, 1, 0), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))`, `[0,1,1]`},
		{`tryIndexFromEnd(null(), 1)`, `null`},
		{`coalesce(null())`, `null`},
		{`string(json('["\u0001"]'))`, `"[\"\\u0001\"]"`},
		{`environment().suffixes.acrLoginServer`, `".azurecr.io"`},
		{`environment().resourceManager`, `"https://management.azure.com/"`},
		{`deployment().name`, `"main"`},
		{`subscription().tenantId`, `"aaaaaaaa-0000-0000-0000-000000000001"`},
		{`tenant().id`, `"/tenants/aaaaaaaa-0000-0000-0000-000000000001"`},
		{`deployer().objectId`, `"aaaaaaaa-0000-0000-0000-000000000002"`},
		{`resourceGroup().location`, `"westeurope"`},
	} {
		got, errs := output(t, c.expr)
		if got != c.want {
			t.Errorf("%s\n got %s %v\nwant %s", c.expr, got, errs, c.want)
		}
	}
}

// Each fault, in the words that ARM was recorded with where there is a recording.
func TestFunctionErrors(t *testing.T) {
	for _, c := range []struct{ expr, want string }{
		{`nonexistent()`, "The template function 'nonexistent' is not valid. Please see https://aka.ms/arm-functions for usage details."},
		{`empty()`, "Unable to evaluate template language function 'empty': function requires 1 argument(s) while 0 were provided."},
		{`indexOf('a', 'b', 'c')`, "Unable to evaluate template language function 'indexOf': function requires 2 argument(s) while 3 were provided."},
		{`toObject(createArray())`, "Unable to evaluate template language function 'toObject': function requires between 2 and 3 argument(s) while 1 were provided."},
		{`guid()`, "Unable to evaluate template language function 'guid'. At least one parameter should be provided."},
		{`extensionResourceId('/a')`, "function requires at least 3 argument(s) while 1 were provided."},
		{`endsWith(1, 2)`, "The template language function 'endsWith' expects its parameters to be of type string and string. The provided value is of type 'Integer' and 'Integer'."},
		{`base64(1)`, "The template language function 'base64' expects its parameter to be of type string. The provided value is of type 'Integer'."},
		{`int('asdf')`, "The template language function 'int' cannot convert provided value 'asdf' to integer value."},
		{`bool('sdf')`, "The template language function 'bool' was invoked with a parameter that is not valid. The value cannot be converted to the target type."},
		{`mul(9223372036854775807, 9223372036854775807)`, "The template language function 'mul' overflowed with the operants '9223372036854775807' and '9223372036854775807'."},
		{`mul(-9223372036854775808, -1)`, "overflowed"},
		{`add(9223372036854775807, 1)`, "overflowed"},
		{`sub(-9223372036854775808, 1)`, "overflowed"},
		{`div(-9223372036854775808, -1)`, "overflowed"},
		{`div(1, 0)`, "divide by zero"},
		{`base64ToString('YWJj@')`, "The value cannot be decoded from base64 representation."},
		{`dataUriToString('Hi 0!')`, "expects its parameter to be formatted as a valid data URI. The provided value 'Hi 0!' was not formatted correctly."},
		{`uri('github.com', 'Azure/bicep')`, "The template language function 'uri' expects its first argument to be a uri string. The provided value is 'github.com'."},
		{`format('{1}', 'a')`, "Unable to evaluate language function 'format': the format is invalid: 'Index (zero based) must be greater than or equal to zero and less than the size of the argument list.'."},
		{`format('{', 'a')`, "Input string was not in a correct format."},
		{`format('{0,99999999}', 'a')`, "Input string was not in a correct format."},
		{`dateTimeAdd('2020-04-07', 'PTASDIONS1D')`, "The second parameter 'PTASDIONS1D' is not a valid ISO8601 Duration string."},
		{`dateTimeAdd('2020-04-07', 'P')`, "is not a valid ISO8601 Duration string."},
		{`dateTimeAdd('9999-04-07', 'P1Y')`, "is not a valid ISO8601 Duration string."},
		{`dateTimeAdd('yesterday', 'P1D')`, "is not a valid DateTime string"},
		{`createArray('a', 'b')[2]`, "The language expression property array index '2' is out of bounds."},
		{`createObject('a', 1, 'b', 2).c`, "The language expression property 'c' doesn't exist, available properties are 'a, b'."},
		{`deployment().properties.templateLink`, "The language expression property 'templateLink' doesn't exist, available properties are 'template, templateHash, parameters, mode, provisioningState'."},
		{`null().x`, "The language expression property 'x' can't be evaluated."},
		{`createArray(1).x`, "property name must be an integer"},
		{`resourceId('Microsoft.Storage/storageAccounts')`, "function requires at least 2 argument(s) while 1 were provided."},
		{`resourceId('Microsoft.Storage/storageAccounts', 'a', 'b')`, "Unable to evaluate template language function 'resourceId': the type 'Microsoft.Storage/storageAccounts' requires '1' resource name argument(s)."},
		{`parameters('p3')`, "The template parameter 'p3' is not found."},
		{`variables('v')`, "The template variable 'v' is not found."},
		{`lambdaVariables('x')`, "The lambda variable 'x' is not found."},
		{`copyIndex()`, "The template function 'copyIndex' is not expected at this location. The function can only be used in a resource with copy specified."},
		{`newGuid()`, "The template function 'newGuid' is not expected at this location."},
		{`utcNow()`, "The template function 'utcNow' is not expected at this location."},
		{`managementGroup().name`, "The template function 'MANAGEMENTGROUP' is not expected at this location."},
		{`reference('nothing')`, "The resource 'nothing' is not defined in the template."},
		{`reference(resourceId('Microsoft.Storage/storageAccounts', 'a'))`, "reference to 'Microsoft.Storage/storageAccounts/a' requires an API version."},
		{`fail('The region is not allowed.')`, "The region is not allowed."},
		{`json('{')`, "cannot be parsed as JSON"},
		{`cidrSubnet('10.0.0.0/16', 8, 0)`, "cannot cut '10.0.0.0/16' into networks of '8' bits"},
		{`cidrSubnet('10.0.0.0/16', 24, 256)`, "expects an index within"},
		{`cidrHost('10.0.0.0/30', 3)`, "expects an index within"},
		{`parseCidr('10.0.0.0')`, "CIDR notation"},
		{`substring('abc', 4)`, "The index parameter: '4', the length of the string parameter: '3'"},
		{`substring('abc', 2, 2)`, "The index parameter: '2', the length parameter: '2', the length of the string parameter: '3'"},
		{`range(0, 10001)`, "expects a number of elements from 0 to 10000"},
		{`union(createArray(), createObject())`, "expects either a comma separated list of arrays or a comma separated list of objects"},
		{`createObject('a')`, "expects an even number of parameters"},
		{`createObject(1, 2)`, "at position '0' to be of type string"},
		{`concat('a', createArray())`, "expects all of its parameters to be of the same kind"},
		{`concat(createArray(), 'a')`, "expects all of its parameters to be of the same kind"},
		{`flatten(createArray(1))`, "expects its parameter to be an array of arrays"},
		{`less('a', 1)`, "expects two parameters of matching types"},
		{`if('true', 1, 2)`, "expects its first parameter to be of type boolean"},
		{`and(true(), 'x')`, "expects its parameters to be of type boolean"},
		{`filter(createArray(1), lambda('x', 1))`, "expects its lambda to give a boolean"},
		{`map(createArray(1), 'x')`, "expects its parameters to be of type array and lambda"},
		{`toObject(createArray(1), lambda('x', 1))`, "expects its lambda to give a string"},
		{`min('a')`, "expects its parameters to be integers"},
		{`concat('a'`, "the end of the expression is not expected"},
		{`concat('a)`, "the string constant at position '7' is not terminated. String constants must be enclosed within a pair of single quotes."},
		{`bad-expression`, "The language expression 'bad-expression' is not valid: the string character '-' at position '3' is not expected."},
		{`a.b`, "is not expected"},
		{`a.`, "is not expected"},
		{`f().`, "is not expected"},
		{`f()[`, "is not expected"},
		{`f()[0`, "is not expected"},
		{`concat('a') 'b'`, "the string character ''' at position '12' is not expected"},
		{`99999999999999999999`, "the integer at position '0' cannot be read"},
		{strings.Repeat("not(", 300), "nested deeper than '200' levels"},
		{`concat('` + strings.Repeat("a", 30_000) + `')`, "which exceeds the limit of '24576'"},
		{`format('}', 'a')`, "Input string was not in a correct format."},
		{`format('{0:q}', 1)`, "Format specifier was invalid."},
		{`dateTimeAdd('2020-04-07', 'P1D', 'q')`, "The format 'q' is not a valid DateTime format."},
		{`dateTimeAdd('2020-04-07', 'P1D', '` + strings.Repeat("y", 300) + `')`, "not in a correct format"},
		{`dateTimeFromEpoch(9999999999999)`, "out of range"},
		{`dateTimeToEpoch('x')`, "is not a valid DateTime string"},
		{`base64ToJson('e30x')`, "cannot be decoded"},
		{`dataUriToString('data:;base64,@')`, "cannot be converted to the target type"},
		{`uri('https://h', '%zz')`, "cannot combine"},
		{`replace('a', '', 'b')`, "not empty"},
		{`split('a', createArray(1))`, "expects its second parameter to be a string or an array of strings"},
		{`split(1, 'a')`, "The template language function 'split' expects"},
		{`padLeft('a', -1)`, "total length"},
		{`float('x')`, "cannot convert provided value 'x' to floating-point value"},
		{`min(createArray())`, "at least one integer"},
		{`intersection(createArray(), createObject())`, "expects either"},
		{`shallowMerge(createArray(1))`, "an array of objects"},
		{`lambda()`, "At least one parameter"},
		{`lambda(1, 2)`, "names of its variables to be string literals"},
		{`parameters(1)`, "expects its parameter to be a string"},
		{`parameters()`, "function requires 1 argument(s) while 0 were provided"},
		{`resourceId('a', 'b')`, "is not a fully qualified resource type"},
		{`references('none')`, "is not defined in the template"},
		{`resourceInfo('none')`, "is not defined in the template"},
		{`tryGet(createObject('a', fail('reached')), 'a')`, "reached"},
		{`reference('/a` + "\x7f" + `')`, "is not valid"},
		{`indexOf('a', 1)`, "of type string and string"},
		{`map(createArray(1), lambda('x', fail('inside')))`, "inside"},
		{`filter(createArray(1), lambda('x', fail('inside')))`, "inside"},
		{`reduce(createArray(1), 0, lambda('x', fail('inside')))`, "inside"},
		{`sort(createArray(1, 2, 3), lambda('x', fail('inside')))`, "inside"},
		{`groupBy(createArray(1), lambda('x', fail('inside')))`, "inside"},
		{`toObject(createArray(1), lambda('x', 'k'), lambda('x', fail('inside')))`, "inside"},
		{`mapValues(createObject('a', 1), lambda('x', fail('inside')))`, "inside"},
		{`if(true())`, "function requires 3 argument(s) while 1 were provided"},
		{`and(true())`, "at least 2 argument(s)"},
		{`copyIndex(1, 2, 3)`, "between 0 and 2 argument(s) while 3"},
		{`reference()`, "between 1 and 3 argument(s) while 0"},
		{`references()`, "between 1 and 2 argument(s) while 0"},
		{`resourceInfo()`, "requires 1 argument(s) while 0"},
	} {
		_, errs := output(t, c.expr)
		if len(errs) != 1 || !strings.Contains(errs[0].Message, c.want) {
			t.Errorf("%s: got %v, want %q", c.expr, errs, c.want)
		}
	}
}

// The values of functions that only default values may call.
func TestDefaults(t *testing.T) {
	for expr, want := range map[string]string{
		"utcNow()": "20190305T175318Z", "utcNow('d')": "03/05/2019", "utcNow('M d')": "3 5", "utcNow('u')": "2019-03-05 17:53:18Z",
		"newGuid()": "aaaaaaaa-0000-4000-8000-000000000003",
	} {
		r := in(t, `{`+groupSchema+`, "parameters": {"p": {"type": "string", "defaultValue": "[`+expr+`]"}}, "resources": []}`).Evaluate()
		if len(r.Errors) > 0 || r.Parameters[0].Value != want {
			t.Errorf("%s: got %v %v, want %s", expr, r.Parameters, r.Errors, want)
		}
	}
}

// Every function has a row among the known answers, apart from those that only the deployment can answer.
func TestEveryFunctionIsTested(t *testing.T) {
	deployed := map[string]bool{"providers": true, "pickzones": true, "tologicalzone": true, "tologicalzones": true, "tophysicalzone": true,
		"tophysicalzones": true, "extensions": true, "roledefinitions": true, "managementgroup": true, "utcnow": true, "newguid": true}
	source := strings.ToLower(read(t, "function_test.go"))
	for name := range functions {
		if !deployed[name] && !strings.Contains(source, name+"(") {
			t.Errorf("no known answer for %s", name)
		}
	}
}
