using System.Net;
using DataLayer.Core.Errors;
using DataLayer.Server.Access;
using DataLayer.TestSupport;
using Microsoft.AspNetCore.Http;

namespace DataLayer.Tests.Access;

public sealed class TokenStoreTests : IDisposable
{
    private readonly TempFolder _folder = new("tokens");
    private readonly SteppedClock _clock = new();
    private readonly RecordedLog _log = new();

    private string Path => _folder.Combine("tokens.json");

    public void Dispose()
    {
        _folder.Dispose();
        _log.Dispose();
    }

    [Fact]
    public void The_file_holds_no_token_and_is_for_its_user_alone()
    {
        string text = Add(TokenRole.Admin);

        Assert.DoesNotContain(text[16..], File.ReadAllText(Path), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path));
    }

    [Fact]
    public void A_token_counts_until_its_end_and_not_after()
    {
        string text = Add(TokenRole.Reader, expires: _clock.GetUtcNow() + TimeSpan.FromHours(1));
        TokenStore store = Open();

        Assert.Equal(TokenRole.Reader, store.Find(text).Role);
        _clock.Advance(TimeSpan.FromMinutes(59));
        Assert.Equal(TokenRole.Reader, store.Find(text).Role);
        _clock.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(store.Find(text).Role);
    }

    [Fact]
    public void A_made_token_counts_at_once_and_a_revoked_one_ends_a_second_later_without_a_restart()
    {
        string first = Add(TokenRole.Reader);
        TokenStore store = Open();
        string second = Add(TokenRole.Admin);

        Assert.Equal(TokenRole.Admin, store.Find(second).Role);

        TokenFile.Change(Path, tokens => [.. tokens.Where(t => t.Id != TokenText.IdOf(first))]);
        Assert.Equal(TokenRole.Reader, store.Find(first).Role);
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.Null(store.Find(first).Role);
        Assert.Equal(TokenRole.Admin, store.Find(second).Role);
    }

    [Fact]
    public void Another_secret_under_a_known_number_is_refused()
    {
        string text = Add(TokenRole.Admin);
        TokenStore store = Open();
        char last = text[^1] == '0' ? '1' : '0';

        Assert.Null(store.Find(text[..^1] + last).Role);
        Assert.Null(store.Find(text + "0").Role);
        Assert.Null(store.Find(text.AsSpan(0, text.Length - 1)).Role);
        Assert.Null(store.Find(text.ToUpperInvariant()).Role);
        Assert.Null(store.Find(string.Empty).Role);
    }

    [Fact]
    public void A_wrong_file_changes_nothing_and_is_told_with_all_that_is_wrong()
    {
        string text = Add(TokenRole.Admin);
        TokenStore store = Open();
        Write(
            """
            {"tokens":[
              {"id":"xyz","name":"","role":"root","hash":"md5:0"},
              {"id":"0123456789ab","name":"a","role":"tenant","hash":"sha256:00","scopes":[]},
              {"id":"0123456789ab","name":"b","role":"admin","hash":"sha256:00","scopes":["relative","/a/../b","/"]}
            ]}
            """);
        _clock.Advance(TimeSpan.FromSeconds(2));

        Assert.Equal(TokenRole.Admin, store.Find(text).Role);
        string[] expected =
        [
            "tokens[0]: the id 'xyz'", "tokens[0]: the name", "tokens[0]: the role is 'root'", "tokens[0]: the hash",
            "tokens[1]: the hash", "tokens[1]: a tenant's token needs a scope", "tokens[2]: the hash",
            "tokens[2]: the scope 'relative'", "tokens[2]: the scope '/a/../b'", "tokens[2]: the scope '/'",
            "tokens[2]: an admin's token has no scope", "tokens[2]: the id '0123456789ab' is there twice",
        ];
        Assert.All(expected, e => Assert.Contains(_log.Lines, l => l.Contains(e, StringComparison.Ordinal)));
        Assert.Contains(_log.Lines, l => l.Contains("the 1 tokens from before stay in force", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{", "is not a token file")]
    [InlineData("{\"tokens\":[{\"expire\":\"2026-01-01T00:00:00Z\"}]}", "is not a token file")]
    [InlineData("{}", "no list 'tokens'")]
    [InlineData("null", "no list 'tokens'")]
    public void What_is_no_token_file_is_refused(string content, string says)
    {
        Write(content);

        Assert.Contains(says, Assert.Single(TokenFile.Read(Path).Problems), StringComparison.Ordinal);
        Assert.Equal(ErrorCode.InvalidArgument, Assert.Throws<DataLayerException>(() => Add(TokenRole.Admin)).Code);
    }

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    [InlineData(UnixFileMode.OtherWrite)]
    public void A_file_that_others_may_open_is_refused(UnixFileMode more)
    {
        string text = Add(TokenRole.Admin);
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | more);

        Assert.Contains("chmod 600", Assert.Single(TokenFile.Read(Path).Problems), StringComparison.Ordinal);
        Assert.Null(Open().Find(text).Role);
    }

    [Fact]
    public void A_file_that_is_gone_ends_all_tokens()
    {
        string text = Add(TokenRole.Admin);
        TokenStore store = Open();

        File.Delete(Path);
        _clock.Advance(TimeSpan.FromSeconds(1));

        Assert.Null(store.Find(text).Role);
    }

    [Fact]
    public void Changes_by_several_processes_are_all_kept()
    {
        const int Writers = 8;
        Parallel.For(0, Writers, _ =>
        {
            for (bool done = false; !done;)
            {
                try
                {
                    Add(TokenRole.Reader);
                    done = true;
                }
                catch (DataLayerException e) when (e.Code == ErrorCode.Overloaded)
                {
                    // Another one has its turn.
                }
            }
        });

        Assert.Equal(Writers, TokenFile.Read(Path).Tokens.Count);
    }

    [Fact]
    public void A_flood_of_wrong_tokens_is_told_in_a_few_lines_with_a_count()
    {
        RefusalLog refusals = new(_clock, _log.Of<RefusalLog>());
        DefaultHttpContext context = new();
        context.Connection.RemoteIpAddress = IPAddress.Parse("192.0.2.7");

        for (int i = 0; i < 1000; i++)
        {
            refusals.Add(context, Caller.Unknown("The token is not known."));
        }

        Assert.Equal(RefusalLog.LinesPerMinute, _log.Lines.Count);
        _clock.Advance(TimeSpan.FromMinutes(1));
        refusals.Add(context, Caller.Unknown("The token is not known."));
        Assert.Contains("192.0.2.7", _log.Lines[^1], StringComparison.Ordinal);
        Assert.Contains($"{1000 - RefusalLog.LinesPerMinute} more", _log.Lines[^1], StringComparison.Ordinal);
        Assert.Equal(1001, refusals.Total);
    }

    private TokenStore Open() => new(Path, _clock, _log.Of<TokenStore>());

    private void Write(string text)
    {
        File.WriteAllText(Path, text);
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private string Add(TokenRole role, DateTimeOffset? expires = null)
    {
        (string id, string text) = TokenText.Make();
        byte[] hash = new byte[TokenText.HashBytes];
        TokenText.Hash(text, hash);
        AccessToken token = new() { Id = id, Name = "test", Role = role, Hash = hash, Expires = expires };
        TokenFile.Change(Path, tokens => [.. tokens, token]);
        return text;
    }
}
