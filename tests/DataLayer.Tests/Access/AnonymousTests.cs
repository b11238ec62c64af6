using System.Collections;
using System.Net;
using DataLayer.Protocol.Http;
using DataLayer.Server.Configuration;
using DataLayer.Tests.Server;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Access;

/// <summary>Who needs no token, and who only looks like it.</summary>
[Collection(ServiceCollection.Name)]
public sealed class AnonymousTests(RunningService service)
{
    [Theory]
    [InlineData("127.0.0.1", "", "200")]
    [InlineData("localhost:80", "", "200")]
    [InlineData("LOCALHOST", "", "200")]
    [InlineData("[::1]:7070", "", "200")]
    [InlineData("localhost", "Origin: http://localhost\r\n", "200")]
    [InlineData("evil.example", "", "401")]
    [InlineData("127.0.0.1.evil.example", "", "401")]
    [InlineData("localhost", "Origin: http://evil.example\r\n", "401")]
    [InlineData("localhost", "Origin: null\r\n", "401")]
    [InlineData("localhost", "X-Forwarded-For: 192.0.2.7\r\n", "401")]
    [InlineData("localhost", "Forwarded: for=192.0.2.7\r\n", "401")]
    [InlineData("localhost", "Authorization: Bearer none\r\n", "401")]
    public async Task A_local_process_needs_no_token_but_a_page_or_a_proxy_does(string host, string header, string status)
    {
        string answer = await service.SendRawAsync(
            $"GET {ApiRoutes.Version} HTTP/1.1\r\nHost: {host}\r\n{header}Connection: close\r\n\r\n");

        Assert.StartsWith($"HTTP/1.1 {status}", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("listen: {address: '0.0.0.0:0', insecure: true}", "listen.address")]
    [InlineData("auth: {anonymousLoopback: false}", "listen.address")]
    public void A_service_that_nobody_or_everybody_could_call_is_refused_with_the_remedy(string more, string key)
    {
        using TempFolder folder = new("refused");
        ConfigurationResult result = ServerConfigurationReader.ReadText(
            $"stateDirectory: {folder.Path}\n{more}\n", "test.yaml", new Hashtable());

        ConfigurationProblem problem = Assert.Single(result.Reading.Problems);
        Assert.Equal(key, problem.Key);
        Assert.Contains("datalayer token create", problem.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void A_token_opens_the_address_to_other_machines()
    {
        using TempFolder folder = new("opened");
        Guarded.AddToken(folder.Combine("tokens.json"));

        ConfigurationResult result = ServerConfigurationReader.ReadText(
            $"stateDirectory: {folder.Path}\nlisten: {{address: '0.0.0.0:0', insecure: true}}\n", "test.yaml", new Hashtable());

        Assert.Empty(result.Reading.Problems);
        Assert.Equal(IPAddress.Any, result.Configuration!.Listen.EndPoint!.Address);
        Assert.False(result.Configuration.Auth.AnonymousAnywhere);
    }

    [Fact]
    public void A_wrong_token_file_is_wrong_with_the_configuration()
    {
        using TempFolder folder = new("wrong");
        File.WriteAllText(folder.Combine("tokens.json"), "{}");
        File.SetUnixFileMode(folder.Combine("tokens.json"), UnixFileMode.UserRead);

        ConfigurationResult result = ServerConfigurationReader.ReadText(
            $"stateDirectory: {folder.Path}\n", "test.yaml", new Hashtable());

        Assert.Equal("auth.tokenFile", Assert.Single(result.Reading.Problems).Key);
    }

    private static class Guarded
    {
        public static void AddToken(string path)
        {
            (string id, string text) = DataLayer.Server.Access.TokenText.Make();
            byte[] hash = new byte[DataLayer.Server.Access.TokenText.HashBytes];
            DataLayer.Server.Access.TokenText.Hash(text, hash);
            DataLayer.Server.Access.TokenFile.Change(path, _ =>
                [new() { Id = id, Name = "a", Role = DataLayer.Server.Access.TokenRole.Admin, Hash = hash }]);
        }
    }
}
