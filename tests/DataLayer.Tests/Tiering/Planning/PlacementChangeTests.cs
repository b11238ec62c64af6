using DataLayer.Core.Tree;
using DataLayer.Engine.Tiering;
using DataLayer.Engine.Tiering.Planning;
using static DataLayer.Tests.Tiering.Planning.PriceFixture;

namespace DataLayer.Tests.Tiering.Planning;

public sealed class PlacementChangeTests
{
    [Fact]
    public void A_hot_file_is_uploaded_before_it_is_released()
    {
        PlacementChange change = Resolve(HotFile(), Decision(PlacementTier.Release, "IA"));
        Assert.Equal(MoveKinds.Upload | MoveKinds.Release, change.Kinds);
        Assert.Equal((0L, true, "IA"), (change.HotBytes, change.HasObject, change.StorageClass));
    }

    [Fact]
    public void Cold_keeps_the_hot_copy_and_a_premigrated_file_needs_nothing()
    {
        PlacementChange change = Resolve(HotFile(), Decision(PlacementTier.Cold));
        Assert.Equal((MoveKinds.Upload, GiB), (change.Kinds, change.HotBytes));
        FileFacts premigrated = HotFile() with { HasObject = true, State = TierState.Premigrated };
        Assert.Equal(MoveKinds.None, Resolve(premigrated, Decision(PlacementTier.Cold)).Kinds);
        Assert.Equal(MoveKinds.Release, Resolve(premigrated, Decision(PlacementTier.Release)).Kinds);
    }

    [Fact]
    public void What_is_where_its_rule_wants_it_does_not_move()
    {
        Assert.Equal(MoveKinds.None, Resolve(ColdFile(), Decision(PlacementTier.Release)).Kinds);
        Assert.Equal(MoveKinds.None, Resolve(ColdFile(), Decision(PlacementTier.Release, "STANDARD")).Kinds);
        Assert.Equal(MoveKinds.None, Resolve(HotFile(), Decision(PlacementTier.Hot)).Kinds);
        Assert.Equal(MoveKinds.None, Resolve(HotFile(), PlacementDecision.None).Kinds);
        Assert.Equal(MoveKinds.None, Resolve(HotFile(), Decision(PlacementTier.Release) with { Exclude = true }).Kinds);
    }

    [Fact]
    public void Hot_brings_back_what_is_missing()
    {
        PlacementChange change = Resolve(ColdFile() with { HotBytes = MiB }, Decision(PlacementTier.Hot));
        Assert.Equal((MoveKinds.Recall, GiB), (change.Kinds, change.HotBytes));
        Assert.Equal(MoveObstacle.Recalling, Resolve(ColdFile() with { State = TierState.Recalling }, Decision(PlacementTier.Hot)).Obstacle);
    }

    [Fact]
    public void Another_class_is_a_copy_unless_the_object_is_new()
    {
        Assert.Equal(MoveKinds.Reclass, Resolve(ColdFile(), Decision(PlacementTier.Release, "IA")).Kinds);
        Assert.Equal(MoveKinds.Reclass, Resolve(ColdFile(), Decision(null, "IA")).Kinds);
        Assert.Equal(MoveKinds.None, Resolve(HotFile(), Decision(null, "IA")).Kinds);
        Assert.Equal(MoveKinds.Upload, Resolve(HotFile(), Decision(PlacementTier.Cold, "IA")).Kinds);
    }

    [Fact]
    public void A_pin_keeps_the_hot_copy_but_not_from_having_an_object()
    {
        PlacementChange change = Resolve(HotFile() with { IsPinned = true }, Decision(PlacementTier.Release));
        Assert.Equal((MoveKinds.Upload, MoveObstacle.Pinned, GiB), (change.Kinds, change.Obstacle, change.HotBytes));
        Assert.Equal(MoveObstacle.Pinned, Resolve(HotFile(), Decision(PlacementTier.Release) with { Pin = true }).Obstacle);
    }

    [Fact]
    public void Nothing_is_released_that_has_no_place_for_an_object()
    {
        PlacementChange loose = Resolve(HotFile() with { AttachmentId = 0 }, Decision(PlacementTier.Release));
        Assert.Equal((MoveKinds.None, MoveObstacle.NoAttachment, GiB), (loose.Kinds, loose.Obstacle, loose.HotBytes));
        PlacementChange locked = PlacementChange.Resolve(HotFile(), Decision(PlacementTier.Release), Table, isReadOnly: true);
        Assert.Equal((MoveKinds.None, MoveObstacle.ReadOnlyBucket), (locked.Kinds, locked.Obstacle));
    }

    [Fact]
    public void A_read_only_bucket_still_lets_a_premigrated_copy_go()
    {
        FileFacts premigrated = HotFile() with { HasObject = true, State = TierState.Premigrated };
        PlacementChange change = PlacementChange.Resolve(premigrated, Decision(PlacementTier.Release, "IA"), Table, isReadOnly: true);
        Assert.Equal((MoveKinds.Release, MoveObstacle.ReadOnlyBucket), (change.Kinds, change.Obstacle));
    }

    [Fact]
    public void A_class_without_a_price_moves_nothing()
    {
        PlacementChange change = Resolve(HotFile(), Decision(PlacementTier.Release, "COLDER"));
        Assert.Equal((MoveKinds.None, MoveObstacle.UnknownClass), (change.Kinds, change.Obstacle));
    }

    [Fact]
    public void Copies_change_where_something_is_hot()
    {
        PlacementChange change = Resolve(HotFile(), Decision(PlacementTier.Hot) with { CopyCount = 2 });
        Assert.Equal((MoveKinds.Copies, 2), (change.Kinds, change.CopyCount));
        Assert.Equal(MoveKinds.Upload | MoveKinds.Release, Resolve(HotFile(), Decision(PlacementTier.Release) with { CopyCount = 2 }).Kinds);
    }

    private static PlacementChange Resolve(FileFacts file, PlacementDecision decision) =>
        PlacementChange.Resolve(file, decision, Table, isReadOnly: false);
}
