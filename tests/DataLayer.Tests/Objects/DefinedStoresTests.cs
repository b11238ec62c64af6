using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Storage.Objects;
using DataLayer.TestSupport;

namespace DataLayer.Tests.Objects;

/// <summary>Keys of stores that the API added are sealed on disk, open for their own store only, and can be sealed anew.</summary>
public sealed class DefinedStoresTests : IDisposable
{
    private const string Secret = "canary-secret-4711";
    private readonly TempFolder _folder = new("stores");

    private string KeyFile => _folder.Combine("keys/credentials.key");

    private string Stores => _folder.Combine("stores");

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Keys_come_back_and_do_not_stand_in_the_file()
    {
        Open().Save(Store("one", "http://a:1"));
        Open().Save(Store("two", null));

        ObjectStoreOptions one = Open().Load().Single(s => s.Name == "one");
        string file = File.ReadAllText(Path.Combine(Stores, "one.json"));

        Assert.Equal(("canary-access", Secret, "canary-session", "http://a:1"), (one.AccessKey, one.SecretKey, one.SessionToken, one.Endpoint));
        Assert.DoesNotContain("canary", file, StringComparison.Ordinal);
        Assert.DoesNotContain(Convert.ToBase64String(Encoding.UTF8.GetBytes(Secret))[..12], file, StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(KeyFile));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Stores, "one.json")));
    }

    [Fact]
    public void Sealed_keys_open_for_their_own_store_and_endpoint_only_and_not_where_a_bit_is_another()
    {
        Open().Save(Store("one", "http://a:1"));
        string path = Path.Combine(Stores, "one.json");
        string whole = File.ReadAllText(path);

        foreach (string changed in new[] { whole.Replace("http://a:1", "http://b:1", StringComparison.Ordinal), whole.Replace("\"one\"", "\"two\"", StringComparison.Ordinal), whole.Replace("us-east-1", "us-west-1", StringComparison.Ordinal) })
        {
            Assert.NotEqual(whole, changed);
            File.WriteAllText(path, changed);
            Assert.Equal(ErrorCode.Corrupt, Assert.Throws<DataLayerException>(() => Open().Load()).Code);
        }

        CredentialSeal seal = new(KeyFile);
        byte[] made = seal.Seal("secret"u8, "about"u8);
        Assert.Equal("secret"u8.ToArray(), seal.Open(made, "about"u8, "it"));
        for (int bit = 0; bit < made.Length * 8; bit++)
        {
            byte[] other = [.. made];
            other[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Equal(ErrorCode.Corrupt, Assert.Throws<DataLayerException>(() => seal.Open(other, "about"u8, "it")).Code);
        }

        Assert.NotEqual(made, seal.Seal("secret"u8, "about"u8));
    }

    [Fact]
    public void A_key_file_that_is_gone_open_to_others_or_damaged_is_said_with_the_remedy()
    {
        Open().Save(Store("one", "http://a:1"));
        byte[] good = File.ReadAllBytes(KeyFile);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead);
        DataLayerException open = Assert.Throws<DataLayerException>(() => Open().Load());
        File.Delete(KeyFile);
        DataLayerException gone = Assert.Throws<DataLayerException>(() => Open().Load());
        Write("no key\n");
        DataLayerException damaged = Assert.Throws<DataLayerException>(() => Open().Load());
        Write("datalayer-key/1 " + Convert.ToBase64String(new byte[32]) + "\n");
        DataLayerException other = Assert.Throws<DataLayerException>(() => Open().Load());

        Assert.Contains("chmod 600", open.Message, StringComparison.Ordinal);
        Assert.Contains("restore that file", gone.Message, StringComparison.Ordinal);
        Assert.Contains("is no key", damaged.Message, StringComparison.Ordinal);
        Assert.Contains("restore that file", other.Message, StringComparison.Ordinal);
        Write(Encoding.ASCII.GetString(good));
        Assert.Single(Open().Load());
    }

    [Fact]
    public void All_are_sealed_anew_and_a_change_that_was_interrupted_anywhere_loses_nothing()
    {
        for (int i = 0; i < 5; i++)
        {
            Open().Save(Store($"s{i}", "http://a:1"));
        }

        string before = File.ReadAllText(KeyFile);
        Assert.Equal((5, 0), Open().Rekey());
        Assert.DoesNotContain(before.Trim(), File.ReadAllText(KeyFile), StringComparison.Ordinal);
        Assert.Single(File.ReadAllLines(KeyFile));
        Assert.Equal(5, Open().Load().Count(s => s.SecretKey == Secret));

        // Died after the new key was written, and after some were sealed under it.
        CredentialSeal seal = new(KeyFile);
        seal.AddKey();
        Assert.Equal(5, Open().Load().Count(s => s.SecretKey == Secret));
        Open().Save(Store("s0", "http://a:1"));
        Assert.Equal(5, Open().Load().Count(s => s.SecretKey == Secret));
        Assert.Equal((5, 0), Open().Rekey());
        Assert.Single(File.ReadAllLines(KeyFile));
        Assert.Equal(5, Open().Load().Count(s => s.SecretKey == Secret));

        // Another process is at it.
        using (seal.Lock())
        {
            Assert.Equal(ErrorCode.Overloaded, Assert.Throws<DataLayerException>(() => Open().Rekey()).Code);
        }
    }

    [Fact]
    public void A_file_from_before_is_read_and_sealed()
    {
        Directory.CreateDirectory(Stores);
        string path = Path.Combine(Stores, "old.json");
        File.WriteAllText(path, $$"""{"name":"old","endpoint":"http://a:1","region":"r","pathStyle":true,"accessKey":"a","secretKey":"{{Secret}}","sessionToken":null}""");

        Assert.Equal(Secret, Assert.Single(Open().Load()).SecretKey);
        Assert.DoesNotContain("canary", File.ReadAllText(path), StringComparison.Ordinal);
        ObjectStoreOptions again = Assert.Single(Open().Load());
        Assert.Equal((Secret, true, null), (again.SecretKey, again.PathStyle, again.SessionToken));
    }

    private static ObjectStoreOptions Store(string name, string? endpoint) => new()
    {
        Name = name,
        Kind = "s3",
        Endpoint = endpoint,
        Region = "us-east-1",
        AccessKey = "canary-access",
        SecretKey = Secret,
        SessionToken = "canary-session",
    };

    private DefinedStores Open() => new(Stores, new CredentialSeal(KeyFile));

    private void Write(string text)
    {
        File.WriteAllText(KeyFile, text);
        File.SetUnixFileMode(KeyFile, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }
}
