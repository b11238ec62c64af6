using DataLayer.Core.Errors;
using DataLayer.Core.Tree;
using DataLayer.Engine.Files;
using Xunit.Abstractions;

namespace DataLayer.Tests.Engine;

/// <summary>Random operations against a plain dictionary of bytes, with evictions, recalls and restarts in between.</summary>
public sealed class ModelTests(ITestOutputHelper output)
{
    private const int MaxLength = (5 << 19) + 1000;

    [Theory]
    [InlineData(1, 150)]
    [InlineData(2, 150)]
    [InlineData(3, 150)]
    [InlineData(4, 150)]
    public async Task The_tree_is_what_a_dictionary_says(int seed, int count)
    {
        output.WriteLine($"seed {seed}");
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        await fixture.AttachAsync();
        Model model = new(fixture, new Random(seed));
        for (int i = 0; i < count; i++)
        {
            await model.StepAsync();
        }

        await model.CheckAllAsync();
        await fixture.Engine.FlushUploadsAsync("/", CancellationToken.None);
        await fixture.JournalDoneAsync();
        await fixture.AssertCleanAsync();
        await model.CheckBucketAsync();
    }

    private sealed class Model(EngineFixture fixture, Random random)
    {
        private readonly Dictionary<string, byte[]> _files = [];

        public async Task StepAsync()
        {
            string path = $"/data/d{random.Next(2)}/f{random.Next(6)}";
            switch (random.Next(12))
            {
                case 0 or 1 or 2:
                    await ReplaceAsync(path);
                    break;
                case 3 or 4:
                    await PatchAsync(path);
                    break;
                case 5:
                    await TruncateAsync(path);
                    break;
                case 6:
                    await RemoveAsync(path);
                    break;
                case 7:
                    await RenameAsync(path, $"/data/d{random.Next(2)}/f{random.Next(6)}");
                    break;
                case 8:
                    await fixture.Engine.EvictAsync("/data", hotToo: random.Next(2) == 0, CancellationToken.None);
                    break;
                case 9:
                    await EvenOddsAsync();
                    break;
                default:
                    await CheckAsync(path);
                    break;
            }
        }

        public async Task CheckAllAsync()
        {
            foreach (string path in _files.Keys)
            {
                Assert.Equal(_files[path], await fixture.ReadAllAsync(path));
            }
        }

        public async Task CheckBucketAsync()
        {
            Assert.Equal(_files.Keys.Select(path => path["/data/".Length..]).Order(StringComparer.Ordinal), await fixture.ObjectKeysAsync());
            foreach ((string path, byte[] bytes) in _files)
            {
                Assert.Equal(bytes, await fixture.GetObjectAsync(path["/data/".Length..]));
            }
        }

        private async Task EvenOddsAsync()
        {
            switch (random.Next(4))
            {
                case 0:
                    await fixture.ReopenAsync();
                    break;
                case 1:
                    await fixture.Engine.FlushUploadsAsync("/data", CancellationToken.None);
                    break;
                case 2:
                    await fixture.Engine.WarmAsync("/data", random.Next(2) == 0, null, CancellationToken.None);
                    break;
                default:
                    await fixture.SettleAsync();
                    break;
            }
        }

        private byte[] Bytes(int length)
        {
            byte[] bytes = new byte[length];
            random.NextBytes(bytes);
            return bytes;
        }

        private int Length() => random.Next(4) switch
        {
            0 => random.Next(100),
            1 => random.Next(128 << 10),
            _ => random.Next(MaxLength),
        };

        private async Task ReplaceAsync(string path)
        {
            byte[] bytes = Bytes(Length());
            await using FileReplacement replacement = await fixture.Engine.ReplaceFileAsync(
                path, new ReplaceOptions { MakeParents = true }, CancellationToken.None);
            for (int at = 0; at < bytes.Length;)
            {
                int piece = Math.Min(bytes.Length - at, 1 + random.Next(700_000));
                await replacement.WriteAsync(bytes.AsMemory(at, piece), CancellationToken.None);
                at += piece;
            }

            if (random.Next(8) == 0)
            {
                return;
            }

            await replacement.CommitAsync(CancellationToken.None);
            _files[path] = bytes;
        }

        private async Task PatchAsync(string path)
        {
            if (!_files.TryGetValue(path, out byte[]? old))
            {
                return;
            }

            await using OpenFile file = await fixture.Engine.OpenFileAsync(path, write: true, CancellationToken.None);
            for (int i = random.Next(3); i >= 0; i--)
            {
                byte[] patch = Bytes(1 + random.Next(300_000));
                int offset = random.Next(Math.Min(old.Length + 1000, MaxLength));
                await file.WriteAsync(offset, patch, CancellationToken.None);
                byte[] changed = new byte[Math.Max(old.Length, offset + patch.Length)];
                old.CopyTo(changed, 0);
                patch.CopyTo(changed, offset);
                _files[path] = old = changed;
                if (random.Next(2) == 0)
                {
                    await CheckAsync(path);
                }

                if (random.Next(2) == 0)
                {
                    await file.FlushAsync(CancellationToken.None);
                }
            }
        }

        private async Task TruncateAsync(string path)
        {
            if (!_files.TryGetValue(path, out byte[]? old))
            {
                return;
            }

            await using OpenFile file = await fixture.Engine.OpenFileAsync(path, write: true, CancellationToken.None);
            byte[] changed = new byte[random.Next(3) == 0 ? Length() : random.Next(old.Length + 1)];
            await file.TruncateAsync(changed.Length, CancellationToken.None);
            old.AsSpan(0, Math.Min(old.Length, changed.Length)).CopyTo(changed);
            _files[path] = changed;
        }

        private async Task RemoveAsync(string path)
        {
            if (_files.Remove(path))
            {
                await fixture.Engine.RemoveAsync(path, false, null, CancellationToken.None);
            }
        }

        private async Task RenameAsync(string from, string to)
        {
            if (from == to || !_files.TryGetValue(from, out byte[]? bytes))
            {
                return;
            }

            try
            {
                await fixture.Engine.RenameAsync(from, to, RenameFlags.None, CancellationToken.None);
            }
            catch (DataLayerException error) when (error.Code == ErrorCode.NotFound)
            {
                return; // The other folder was never made.
            }

            _files.Remove(from);
            _files[to] = bytes;
        }

        private async Task CheckAsync(string path)
        {
            if (!_files.TryGetValue(path, out byte[]? bytes))
            {
                DataLayerException error = await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync(path));
                Assert.Equal(ErrorCode.NotFound, error.Code);
                return;
            }

            if (random.Next(2) == 0)
            {
                Assert.Equal(bytes, await fixture.ReadAllAsync(path));
                return;
            }

            int offset = random.Next(bytes.Length + 1);
            int length = random.Next(200_000);
            byte[] read = await fixture.ReadAsync(path, offset, length);
            Assert.Equal(bytes.AsSpan(offset, Math.Min(length, bytes.Length - offset)).ToArray(), read);
        }
    }
}
