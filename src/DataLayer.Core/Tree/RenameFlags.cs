namespace DataLayer.Core.Tree;

/// <summary>How a rename treats a taken name. The values are those of renameat2(2).</summary>
[Flags]
public enum RenameFlags
{
    /// <summary>Replace what the new name leads to.</summary>
    None = 0,

    /// <summary>Fail with <see cref="Errors.ErrorCode.AlreadyExists"/> if the new name is taken.</summary>
    NoReplace = 1,

    /// <summary>Exchange the two names; both must exist.</summary>
    Exchange = 2,
}
