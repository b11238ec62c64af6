using System.Text;
using DataLayer.Core.Errors;
using DataLayer.Core.Identity;
using DataLayer.Core.Layout;
using DataLayer.Core.Tree;
using DataLayer.Engine.Feeds;
using DataLayer.Engine.Files;
using DataLayer.Engine.Files.Nodes;
using DataLayer.Storage.Objects;

namespace DataLayer.Tests.Engine;

/// <summary>Attachments that are encrypted: none of their bytes stand on the node's disks, and detaching ends their keys.</summary>
public sealed class EncryptedAttachmentTests
{
    private static readonly byte[] _canary = Encoding.ASCII.GetBytes("canary-of-the-dataset-4711;");
    private static readonly CancellationToken _none = CancellationToken.None;
    private static readonly NodeOwner _owner = new(0x1A4, 1000, 1001);

    [Fact]
    public async Task No_byte_of_it_stands_on_the_disks_however_it_came_there()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] large = Text(3_000_000);
        byte[] small = Text(20_000);
        await fixture.PutObjectAsync("cold/large", large);
        await fixture.PutObjectAsync("cold/small", small);
        Attachment attachment = await fixture.AttachAsync(encrypt: true);

        // Recalled as a whole and read in part, written whole, in place, and as a mount does.
        await fixture.Engine.WarmAsync("/data/cold", intoMemory: false, null, _none);
        await fixture.WriteFileAsync("/data/new-large", large);
        await fixture.WriteFileAsync("/data/new-small", small);
        await using (OpenFile file = await fixture.Engine.OpenFileAsync("/data/new-large", write: true, _none))
        {
            await file.WriteAsync(1_000_000, small, _none);
            await file.FlushAsync(_none);
        }

        NodeOperations nodes = fixture.Engine.OpenNodes();
        InodeAttributes folder = (await nodes.LookupAsync(InodeId.Root, "data", _none))!;
        (InodeAttributes _, OpenFile made) = await nodes.CreateAndOpenAsync(folder.Inode, "mounted", _owner, _none);
        await using (made)
        {
            await made.WriteAsync(0, small, _none);
            AssertNoCanary(fixture); // Before its flush too.
            await made.FlushAsync(_none);
        }

        await fixture.SettleAsync();
        await fixture.JournalDoneAsync();
        AssertNoCanary(fixture);
        Assert.True(attachment.IsEncrypted);

        await fixture.ReopenAsync();
        AssertNoCanary(fixture);
        fixture.Probe.Reset();
        Assert.Equal(large, await fixture.ReadAllAsync("/data/cold/large"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/cold/small"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/new-small"));
        Assert.Equal(small, await fixture.ReadAllAsync("/data/mounted"));
        byte[] changed = [.. large];
        small.CopyTo(changed, 1_000_000);
        Assert.Equal(changed, await fixture.ReadAllAsync("/data/new-large"));
        Assert.Equal(0, fixture.Probe.Reads);
        Assert.Equal(changed, await fixture.GetObjectAsync("new-large"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Detaching_erases_the_key_and_what_is_left_on_the_disks_cannot_be_read()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = Text(1_500_000);
        await fixture.PutObjectAsync("a", bytes);
        Attachment attachment = await fixture.AttachAsync(AttachmentMode.ReadOnly, encrypt: true);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, _none);
        InodeAttributes file = await fixture.Engine.StatAsync("/data/a", followLast: true, _none);
        FileContent content = (await fixture.Tree.GetContentAsync(file.Inode, _none))!;
        StripedPlacement placement = Assert.IsType<StripedPlacement>(content.Placement);
        string kept = Path.Combine(fixture.Root, "kept");
        Copy(fixture, kept);
        Attachment sealedBefore = (await fixture.Engine.ListAttachmentsAsync(_none)).Single();
        Assert.Equal((attachment.Id, 1), (placement.KeyId, File.ReadAllLines(fixture.KeyFile).Length));

        await fixture.Engine.DetachAsync("/data", force: false, _none);
        await fixture.JournalDoneAsync();
        Restore(fixture, kept);
        byte[] read = new byte[bytes.Length];
        DataLayerException erased = await Assert.ThrowsAsync<DataLayerException>(
            async () => await fixture.Hot.ReadAsync(file.Content, placement, read.Length, 0, read, _none));
        Assert.Contains("erased", erased.Message, StringComparison.Ordinal);

        // Nor later, with the key file there and all; the sealed key is nowhere any more.
        await fixture.StopAsync();
        foreach (string path in Directory.EnumerateFiles(fixture.Root, "*", SearchOption.AllDirectories))
        {
            Assert.Equal(-1, File.ReadAllBytes(path).AsSpan().IndexOf(Encoding.ASCII.GetBytes(sealedBefore.SealedKey![..40])));
        }

        await fixture.StartAsync();
        Restore(fixture, kept);
        Assert.Contains("erased", (await Assert.ThrowsAsync<DataLayerException>(
            async () => await fixture.Hot.ReadAsync(file.Content, placement, read.Length, 0, read, _none))).Message, StringComparison.Ordinal);

        // That it is the key that is missing: who kept the sealed one could read.
        Assert.Null(fixture.Keys.Open(sealedBefore, fixture.Hot.Keys));
        await fixture.Hot.ReadAsync(file.Content, placement, read.Length, 0, read, _none);
        Assert.Equal(bytes, read);
        await fixture.Hot.DeleteAsync(file.Content, placement, _none);

        // Attached again it has another key.
        Attachment again = await fixture.AttachAsync(AttachmentMode.ReadOnly, encrypt: true);
        Assert.NotEqual(sealedBefore.SealedKey, again.SealedKey);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/a"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Without_the_key_file_it_says_so_and_the_rest_of_the_tree_goes_on()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = Text(500_000);
        await fixture.PutObjectAsync("a", bytes);
        await fixture.AttachAsync(encrypt: true);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, _none);
        await fixture.WriteFileAsync("/plain", bytes);
        await fixture.StopAsync();
        byte[] keys = await File.ReadAllBytesAsync(fixture.KeyFile);
        await File.WriteAllTextAsync(fixture.KeyFile, $"datalayer-key/1 {Convert.ToBase64String(new byte[32])}\n");
        await fixture.StartAsync();

        DataLayerException fault = await Assert.ThrowsAsync<DataLayerException>(() => fixture.ReadAllAsync("/data/a"));
        Assert.Equal(ErrorCode.PermissionDenied, fault.Code);
        Assert.Contains(fixture.KeyFile, fault.Message, StringComparison.Ordinal);
        Assert.Contains("restore", fault.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<DataLayerException>(() => fixture.WriteFileAsync("/data/b", bytes));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/plain"));
        Assert.Equal(500_000, (await fixture.Engine.StatAsync("/data/a", followLast: true, _none)).SizeBytes);

        await fixture.StopAsync();
        await File.WriteAllBytesAsync(fixture.KeyFile, keys);
        await fixture.StartAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/a"));
        await fixture.AssertCleanAsync();
    }

    [Fact]
    public async Task Its_key_is_sealed_anew_with_the_stores_and_the_old_key_goes_only_then()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = Text(500_000);
        await fixture.PutObjectAsync("a", bytes);
        await fixture.AttachAsync(encrypt: true);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, _none);
        string first = File.ReadAllLines(fixture.KeyFile).Single();
        DefinedStores stores = new(Path.Combine(fixture.Root, "stores"), new CredentialSeal(fixture.KeyFile));

        Assert.Equal((0, 1), stores.Rekey());
        Assert.Equal(2, File.ReadAllLines(fixture.KeyFile).Length);
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/a"));
        Attachment attachment = (await fixture.Engine.ListAttachmentsAsync(_none)).Single();
        string anew = fixture.Keys.Reseal(attachment)!;
        await fixture.Tree.ResealAttachmentAsync(attachment.Id, anew, _none);
        fixture.Keys.DropOldKeys();

        string left = File.ReadAllLines(fixture.KeyFile).Single();
        Assert.NotEqual(first.Split(' ')[1], left.Split(' ')[1]);
        Assert.Null(fixture.Keys.Reseal(attachment with { SealedKey = anew }));
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/a"));

        // A change of keys that was interrupted: stores may be under the old key, so it stays until the next one.
        CredentialSeal seal = new(fixture.KeyFile);
        seal.AddKey();
        fixture.Keys.DropOldKeys();
        Assert.Equal(2, File.ReadAllLines(fixture.KeyFile).Length);
        await Assert.ThrowsAsync<DataLayerException>(async () => await fixture.Tree.ResealAttachmentAsync(99, anew, _none));
    }

    [Fact]
    public async Task What_would_take_its_bytes_to_a_plain_place_copies_them_or_is_refused()
    {
        await using EngineFixture fixture = await EngineFixture.OpenAsync();
        byte[] bytes = Text(1_000_000);
        await fixture.PutObjectAsync("a", bytes);
        await fixture.PutObjectAsync("labels.csv", Encoding.UTF8.GetBytes("a,cat\n"));
        await fixture.AttachAsync(encrypt: true);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, _none);
        await fixture.WriteFileAsync("/plain", bytes);

        foreach ((string from, string to) in new[] { ("/data/a", "/b"), ("/plain", "/data/b") })
        {
            Assert.Equal(ErrorCode.CrossAttachment, (await Assert.ThrowsAsync<DataLayerException>(
                async () => await fixture.Engine.RenameAsync(from, to, RenameFlags.None, _none))).Code);
        }

        await fixture.Engine.CloneFileAsync("/plain", "/data/cloned", new CloneOptions(), _none);
        await fixture.Engine.CloneFileAsync("/data/a", "/data/again", new CloneOptions(), _none);
        AssertKey(await PlacementAsync(fixture, "/data/cloned"), true);
        AssertKey(await PlacementAsync(fixture, "/data/again"), true);
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/cloned"));
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/again"));

        DatasetSpec labelled = new() { Path = "/data", Kind = DatasetKind.Files, Labels = LabelSource.Csv, LabelsFrom = "/data/labels.csv" };
        await fixture.Engine.Datasets.CreateAsync("set", labelled, _none);
        DataLayerException refused = await Assert.ThrowsAsync<DataLayerException>(
            async () => await fixture.Engine.Datasets.BuildAsync("set", _ => { }, _none));
        Assert.Contains("encrypted", refused.Message, StringComparison.Ordinal);
        Assert.Equal(ErrorCode.AlreadyExists, (await Assert.ThrowsAsync<DataLayerException>(
            async () => await fixture.AttachAsync(encrypt: false))).Code);
    }

    [Fact]
    public async Task A_target_of_it_is_drained_and_damage_is_mended_from_the_object()
    {
        await using EngineFixture fixture = await new EngineFixture { Width = 1 }.StartAsync();
        byte[] bytes = Text(2_000_000);
        await fixture.PutObjectAsync("a", bytes);
        await fixture.AttachAsync(encrypt: true);
        await fixture.Engine.WarmAsync("/data", intoMemory: false, null, _none);
        int target = Assert.IsType<StripedPlacement>(await PlacementAsync(fixture, "/data/a")).Targets[0];

        fixture.Hot.SetDraining(target, true);
        await fixture.Engine.DrainTargetAsync(target, null, _none);
        StripedPlacement moved = Assert.IsType<StripedPlacement>(await PlacementAsync(fixture, "/data/a"));
        Assert.NotEqual(target, moved.Targets[0]);
        AssertKey(moved, true);
        await fixture.ReopenAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/a"));

        await fixture.JournalDoneAsync();
        string file = Assert.Single(Backing(fixture));
        await fixture.StopAsync();
        using (FileStream stream = new(file, FileMode.Open, FileAccess.ReadWrite))
        {
            stream.Position = 700_000;
            int was = stream.ReadByte();
            stream.Position--;
            stream.WriteByte((byte)(was ^ 1));
        }

        await fixture.StartAsync();
        Assert.Equal(bytes, await fixture.ReadAllAsync("/data/a"));
        await fixture.AssertCleanAsync();
    }

    private static byte[] Text(int length)
    {
        byte[] bytes = new byte[length];
        for (int at = 0; at < length; at++)
        {
            bytes[at] = _canary[at % _canary.Length];
        }

        return bytes;
    }

    private static async Task<Placement> PlacementAsync(EngineFixture fixture, string path)
    {
        InodeAttributes file = await fixture.Engine.StatAsync(path, followLast: true, _none);
        return (await fixture.Tree.GetContentAsync(file.Inode, _none))!.Placement!;
    }

    private static void AssertKey(Placement placement, bool encrypted) =>
        Assert.Equal(encrypted, Assert.IsType<StripedPlacement>(placement).KeyId != 0);

    private static List<string> Backing(EngineFixture fixture) =>
    [
        .. new[] { fixture.Target(0), fixture.Target(1) }.Where(Directory.Exists)
            .SelectMany(static folder => Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
            .Where(static path => path.Contains("/files/", StringComparison.Ordinal) && !path.EndsWith(".sum", StringComparison.Ordinal)),
    ];

    private static void Copy(EngineFixture fixture, string kept)
    {
        foreach (string path in Backing(fixture).SelectMany(static path => new[] { path, path + ".sum" }))
        {
            string copy = kept + path;
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(path, copy);
        }
    }

    private static void Restore(EngineFixture fixture, string kept)
    {
        foreach (string copy in Directory.EnumerateFiles(kept, "*", SearchOption.AllDirectories))
        {
            File.Copy(copy, copy[kept.Length..], overwrite: true);
        }

        Assert.NotEmpty(Backing(fixture));
    }

    private static void AssertNoCanary(EngineFixture fixture)
    {
        foreach (string path in Directory.EnumerateFiles(fixture.Root, "*", SearchOption.AllDirectories))
        {
            if (!path.StartsWith(fixture.Bucket, StringComparison.Ordinal) && !path.EndsWith(".lock", StringComparison.Ordinal))
            {
                using FileStream file = new(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                byte[] bytes = new byte[file.Length];
                int read = file.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
                Assert.True(bytes.AsSpan(0, read).IndexOf(_canary.AsSpan(0, 12)) < 0, $"'{path}' holds the canary");
            }
        }
    }
}
