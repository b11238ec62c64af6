using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Storage.Stripes;

namespace DataLayer.Tests.Stripes;

/// <summary>
/// Contents that are cloned, written, cut, punched and deleted in any order, with clean stops, kills and damage in between, against a
/// model that is an array of bytes for each.
/// </summary>
public sealed class StripeSharingModelTests
{
    private const int Chunk = 65_536;
    private const int MaxBytes = 9 * Chunk;

    [Theory]
    [InlineData(1, 1, 1, 140)]
    [InlineData(2, 1, 1, 140)]
    [InlineData(3, 3, 1, 120)]
    [InlineData(4, 1, 2, 120)]
    [InlineData(5, 2, 2, 120)]
    public Task Contents_that_share_bytes_read_as_if_each_had_its_own(int seed, int width, int copies, int steps) =>
        RunAsync(seed, width, copies, steps, keyId: 0);

    [Theory]
    [InlineData(6, 1, 1, 120)]
    [InlineData(7, 3, 1, 120)]
    [InlineData(8, 1, 2, 100)]
    [InlineData(9, 2, 2, 100)]
    public Task Encrypted_contents_read_as_plain_ones_do(int seed, int width, int copies, int steps) =>
        RunAsync(seed, width, copies, steps, keyId: 5);

    private static async Task RunAsync(int seed, int width, int copies, int steps, long keyId)
    {
        if (Environment.GetEnvironmentVariable("DATALAYER_SHARING_SEEDS") is { Length: > 0 } more)
        {
            for (int i = 0; i < int.Parse(more, System.Globalization.CultureInfo.InvariantCulture); i++)
            {
                await new Run(seed + (1_000 * (i + 1)), width, copies, keyId).GoAsync(steps * 2);
            }
        }

        await new Run(seed, width, copies, keyId).GoAsync(steps);
    }

    private sealed class Run(int seed, int width, int copies, long keyId)
    {
        private readonly Random _random = new(seed);
        private readonly Dictionary<ContentId, (StripedPlacement Placement, byte[] Bytes)> _model = [];
        private readonly List<string> _log = [];
        private long _inode;
        private readonly List<HotTier> _killed = [];
        private int _shares;
        private int _refusals;

        internal async Task GoAsync(int steps)
        {
            await using HotTierFixture fixture = new(Math.Max(width, copies)) { Width = width, CopyCount = copies, OpenFileCount = 16, KeyId = keyId };
            HotTier tier = await fixture.OpenAsync();
            for (int step = 0; step < steps; step++)
            {
                tier = await StepAsync(fixture, tier);
                await CheckAsync(tier, _model.Count == 0 ? default : Pick());
            }

            // Encrypted bytes are bound to their content: they are copied.
            Assert.True(keyId != 0 ? _refusals == _shares : _refusals * 4 <= _shares, $"{_refusals} of {_shares} were refused\n{Story()}");
            tier = await fixture.ReopenAsync();
            foreach (ContentId content in _model.Keys)
            {
                await CheckAsync(tier, content);
                (StripedPlacement placement, byte[] bytes) = _model[content];
                Assert.Empty((await tier.ScrubAsync(content, placement, bytes.Length, default)).BadRanges);
            }

            foreach ((ContentId content, (StripedPlacement placement, _)) in _model)
            {
                await tier.DeleteAsync(content, placement, default);
            }

            Assert.Empty(fixture.BackingFiles());
            foreach (HotTier killed in _killed)
            {
                await killed.DisposeAsync(); // Only to give back what a killed process would.
            }
        }

        private async Task<HotTier> StepAsync(HotTierFixture fixture, HotTier tier)
        {
            int draw = _model.Count == 0 ? 0 : _random.Next(100);
            if (draw < 8)
            {
                await MakeAsync(tier);
            }
            else if (draw < 38)
            {
                await WriteAsync(tier, Pick());
            }
            else if (draw < 62)
            {
                await ShareAsync(fixture, tier, Pick());
            }
            else if (draw < 70)
            {
                await TruncateAsync(tier, Pick());
            }
            else if (draw < 76)
            {
                await PunchAsync(tier, Pick());
            }
            else if (draw < 83 && _model.Count > 3)
            {
                ContentId gone = Pick();
                _log.Add($"delete {gone}");
                await tier.DeleteAsync(gone, _model[gone].Placement, default);
                _model.Remove(gone);
            }
            else if (draw < 90)
            {
                ContentId flushed = Pick();
                _log.Add($"flush {flushed}");
                await tier.FlushAsync(flushed, _model[flushed].Placement, default);
            }
            else if (draw < 93)
            {
                _log.Add("reopen");
                return await fixture.ReopenAsync();
            }
            else if (draw < 96)
            {
                _log.Add("kill");
                _killed.Add(tier);
                return await fixture.KillAndOpenAsync();
            }
            else if (copies > 1)
            {
                return await DamageAsync(fixture, Pick());
            }

            return tier;
        }

        private ContentId Pick() => _model.Keys.ElementAt(_random.Next(_model.Count));

        private async Task MakeAsync(HotTier tier)
        {
            ContentId content = HotTierFixture.Content(++_inode, 1 + (uint)_random.Next(3));
            StripedPlacement placement = tier.PlaceStriped(null, content, MaxBytes, keyId);
            byte[] bytes = HotTierFixture.RandomBytes(_random.Next(), _random.Next(1, MaxBytes));
            _log.Add($"make {content} {bytes.Length}");
            await tier.WriteAsync(content, placement, 0, bytes, default);
            _model[content] = (placement, bytes);
        }

        private async Task WriteAsync(HotTier tier, ContentId content)
        {
            (StripedPlacement placement, byte[] bytes) = _model[content];
            int offset = _random.Next(_random.Next(4) == 0 ? MaxBytes : bytes.Length + 1);
            byte[] patch = HotTierFixture.RandomBytes(
                _random.Next(), _random.Next(1, _random.Next(3) == 0 ? Math.Max(2, MaxBytes - offset) : 5_000));
            _log.Add($"write {content} {offset} {patch.Length}");
            await tier.WriteAsync(content, placement, offset, patch, default);
            byte[] longer = new byte[Math.Max(bytes.Length, offset + patch.Length)];
            bytes.CopyTo(longer, 0);
            patch.CopyTo(longer, offset);
            _model[content] = (placement, longer);
        }

        private async Task ShareAsync(HotTierFixture fixture, HotTier tier, ContentId from)
        {
            (StripedPlacement placement, byte[] bytes) = _model[from];
            ContentId to = HotTierFixture.Content(++_inode, 1 + (uint)_random.Next(3));
            _log.Add($"share {from} {to}");
            _shares++;
            if (!await tier.TryShareAsync(from, placement, bytes.Length, to, default))
            {
                // Killed before its first flush: a column without a byte is not known to be whole.
                _refusals++;
                Assert.Empty(fixture.BackingFiles().Where(path => path.Contains($"{to.Inode.Value:x16}.", StringComparison.Ordinal)));
                await tier.WriteAsync(to, placement, 0, bytes, default);
            }

            _model[to] = (placement, (byte[])bytes.Clone());
        }

        private async Task TruncateAsync(HotTier tier, ContentId content)
        {
            (StripedPlacement placement, byte[] bytes) = _model[content];
            int length = _random.Next(4) == 0 ? 0 : _random.Next(MaxBytes);
            _log.Add($"truncate {content} {length}");
            await tier.TruncateAsync(content, placement, length, default);
            Array.Resize(ref bytes, length);
            _model[content] = (placement, bytes);
        }

        private async Task PunchAsync(HotTier tier, ContentId content)
        {
            (StripedPlacement placement, byte[] bytes) = _model[content];
            int chunks = bytes.Length / Chunk;
            if (chunks == 0)
            {
                return;
            }

            int from = _random.Next(chunks);
            int count = _random.Next(1, chunks - from + 1);
            _log.Add($"punch {content} {from} {count}");
            await tier.PunchAsync(content, placement, (long)from * Chunk, (long)count * Chunk, default);
            byte[] punched = (byte[])bytes.Clone();
            punched.AsSpan(from * Chunk, count * Chunk).Clear();
            _model[content] = (placement, punched);
        }

        /// <summary>A bit flips in one copy, of a file that others may have too; then all that have it are read or scrubbed.</summary>
        private async Task<HotTier> DamageAsync(HotTierFixture fixture, ContentId content)
        {
            await fixture.Tier.FlushAsync(content, _model[content].Placement, default); // What no flush covered may be lost.
            HotTier tier = await fixture.ReopenAsync();
            string name = $"{content.Inode.Value:x16}.{content.Generation:x8}.00.{_random.Next(2)}";
            string file = fixture.BackingFiles().Single(path => Path.GetFileName(path) == name);
            long length = new FileInfo(file).Length;
            if (length == 0)
            {
                return tier;
            }

            _log.Add($"damage {name}");
            using (FileStream stream = new(file, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite))
            {
                stream.Position = _random.NextInt64(length);
                int was = stream.ReadByte();
                stream.Position--;
                stream.WriteByte((byte)(was ^ 4));
            }

            foreach ((ContentId each, (StripedPlacement placement, byte[] bytes)) in _model)
            {
                if (_random.Next(2) == 0)
                {
                    Assert.Empty((await tier.ScrubAsync(each, placement, bytes.Length, default)).BadRanges);
                }
                else
                {
                    await CheckAsync(tier, each);
                }
            }

            // Nothing is left of it in any content's copies.
            foreach ((ContentId each, (StripedPlacement placement, byte[] bytes)) in _model)
            {
                await tier.ScrubAsync(each, placement, bytes.Length, default);
                Assert.Equal(0, (await tier.ScrubAsync(each, placement, bytes.Length, default)).RepairedChunks);
            }

            return tier;
        }

        private async Task CheckAsync(HotTier tier, ContentId content)
        {
            if (content == default)
            {
                return;
            }

            (StripedPlacement placement, byte[] bytes) = _model[content];
            byte[] read = new byte[bytes.Length];
            try
            {
                await tier.ReadAsync(content, placement, bytes.Length, 0, read, default);
            }
            catch (DataLayerException fault)
            {
                Assert.Fail($"{content}: {fault.Message}\n{Story()}");
            }

            int wrong = read.AsSpan().CommonPrefixLength(bytes);
            Assert.True(wrong == bytes.Length, $"{content}: byte {wrong} of {bytes.Length} is wrong\n{Story()}");
        }

        private string Story() => $"seed {seed}, width {width}, copies {copies}:\n{string.Join('\n', _log)}";
    }
}
