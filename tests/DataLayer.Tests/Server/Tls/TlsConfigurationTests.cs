using System.Collections;
using System.Security.Cryptography;
using DataLayer.Server.Configuration;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Server.Tls;

/// <summary>What TLS is set up with is checked before anybody connects, and each mistake is told with its remedy.</summary>
public sealed class TlsConfigurationTests : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private static readonly DateTimeOffset _long = new(2021, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private readonly TempFolder _folder = new("tls-set-up");
    private readonly TestAuthority _authority;

    public TlsConfigurationTests() => _authority = new TestAuthority(_folder, "firm");

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_good_set_up_is_taken()
    {
        using RSA rsa = RSA.Create(2048);
        Issued encrypted = _authority.Issue("CN=locked", RSA.Create(2048), ServerUse, password: "pass-4711");
        TestAuthority.WriteSecret(_folder.Combine("password"), "pass-4711\n");

        Assert.Empty(Read(_authority.Server().Settings));
        Assert.Empty(Read(_authority.Issue("CN=rsa", rsa, ServerUse).Settings));
        Assert.Empty(Read($"{encrypted.Settings}, keyPasswordFile: {_folder.Combine("password")}"));
        Assert.Empty(Read($"{encrypted.Settings}, keyPasswordEnv: SECRET", new Hashtable { ["SECRET"] = "pass-4711" }));
        Assert.Empty(Read($"{_authority.Server().Settings}, clientAuthorityFile: {_authority.File}, clientCertificates: required, minVersion: '1.3'"));
    }

    [Fact]
    public void Each_bad_set_up_is_refused_with_what_is_wrong_and_what_to_do()
    {
        Issued good = _authority.Server();
        Issued other = _authority.Server();
        Issued open = _authority.Server();
        File.SetUnixFileMode(open.Key, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.OtherRead);
        Issued locked = _authority.Issue("CN=locked", RSA.Create(2048), ServerUse, password: "pass-4711");
        TestAuthority.WriteSecret(_folder.Combine("wrong"), "pass-4712");
        File.WriteAllText(_folder.Combine("text"), "no certificate");
        TestAuthority.WriteSecret(_folder.Combine("text-key"), "no key");
        Issued leaf = _authority.Client("CN=someone");
        string folder = _folder.MakeFolder("folder");
        (string Settings, string Key, string Says)[] bad =
        [
            ($"certificateFile: /no/such.pem, keyFile: {good.Key}", "certificateFile", "'/no/such.pem' is not there"),
            ($"certificateFile: {good.File}, keyFile: /no/such.key", "keyFile", "'/no/such.key' is not there"),
            ($"certificateFile: {good.File}", "keyFile", "private key is missing"),
            ($"keyFile: {good.Key}", "certificateFile", "no certificate"),
            ($"certificateFile: {good.File}, keyFile: {other.Key}", "keyFile", "is not that of the certificate"),
            (_authority.Server(until: _long).Settings, "certificateFile", "has expired on 2021-01-01"),
            (_authority.Server(from: TestAuthority.End.AddDays(-1)).Settings, "certificateFile", "holds only from 2045-12-31"),
            (open.Settings, "keyFile", "other users may open"),
            ($"certificateFile: {folder}, keyFile: {good.Key}", "certificateFile", "cannot be read"),
            ($"certificateFile: {good.File}, keyFile: {folder}", "keyFile", ""),
            (locked.Settings, "keyFile", "encrypted and there is no password"),
            ($"{locked.Settings}, keyPasswordFile: {_folder.Combine("wrong")}", "keyFile", "the right password"),
            ($"{locked.Settings}, keyPasswordFile: /no/such", "keyPasswordFile", "not there"),
            ($"{locked.Settings}, keyPasswordEnv: NOT_SET", "keyPasswordEnv", "is not set"),
            ($"{locked.Settings}, keyPassword: pass-4711", "keyPassword", "Secrets do not stand"),
            (_authority.Issue("CN=weak", RSA.Create(1024), ServerUse).Settings, "certificateFile", "RSA of 1024 bits"),
            (_authority.Issue("CN=old", RSA.Create(2048), ServerUse, hash: HashAlgorithmName.SHA1).Settings, "certificateFile", "can be forged"),
            (leaf.Settings, "certificateFile", "not for servers"),
            ($"certificateFile: {_folder.Combine("text")}, keyFile: {good.Key}", "certificateFile", "holds no certificates"),
            ($"certificateFile: {good.File}, keyFile: {_folder.Combine("text-key")}", "keyFile", "holds no key"),
            ($"{good.Settings}, clientAuthorityFile: /no/such.pem", "clientAuthorityFile", "not there"),
            ($"{good.Settings}, clientAuthorityFile: {leaf.File}", "clientAuthorityFile", "no authority"),
            ($"{good.Settings}, clientCertificates: required", "clientCertificates", "nobody says whose"),
            ($"{good.Settings}, minVersion: '1.0'", "minVersion", "1.2, 1.3"),
        ];
        foreach ((string settings, string key, string says) in bad)
        {
            List<ConfigurationProblem> problems = Read(settings);

            Assert.True(
                problems.Any(p => p.Key == "listen.tls." + key && p.ToString().Contains(says, StringComparison.Ordinal) && p.Remedy.Length > 0),
                $"{settings}: {string.Join('\n', problems)}");
            Assert.DoesNotContain(problems, p => p.ToString().Contains("pass-47", StringComparison.Ordinal));
        }
    }

    [Theory]
    [InlineData("0.0.0.0:7443", true)]
    [InlineData("192.0.2.7:7443", true)]
    [InlineData("'[::]:7443'", true)]
    [InlineData("127.0.0.1:7443", false)]
    [InlineData("'[::1]:7443'", false)]
    public void Beyond_loopback_the_service_wants_TLS_or_a_word_that_it_may_do_without(string address, bool refused)
    {
        string bare = $"stateDirectory: {_folder.Path}\nauth: {{anonymousAnywhere: true}}\nlisten:\n  address: {address}\n";

        List<ConfigurationProblem> plain = ReadText(bare);
        List<ConfigurationProblem> allowed = ReadText(bare + "  insecure: true\n");
        List<ConfigurationProblem> secured = ReadText(bare + $"  tls: {{{_authority.Server().Settings}}}\n");

        Assert.Empty(allowed);
        Assert.Empty(secured);
        if (!refused)
        {
            Assert.Empty(plain);
            return;
        }

        ConfigurationProblem problem = Assert.Single(plain);
        Assert.Equal("listen.address", problem.Key);
        Assert.Contains(address.Trim('\''), problem.Message, StringComparison.Ordinal);
        Assert.Contains("listen.tls.certificateFile", problem.Remedy, StringComparison.Ordinal);
        Assert.Contains("insecure: true", problem.Remedy, StringComparison.Ordinal);
    }

    private List<ConfigurationProblem> Read(string tls, Hashtable? environment = null) =>
        ReadText($"stateDirectory: {_folder.Path}\nlisten:\n  tls: {{{tls}}}\n", environment);

    private static List<ConfigurationProblem> ReadText(string text, Hashtable? environment = null) =>
        ServerConfigurationReader.ReadText(text, "test.yaml", environment ?? []).Reading.Problems;
}
